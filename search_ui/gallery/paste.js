// A picture from the clipboard goes the way of one that is dropped: same limit, same place, same way out.

function givePicture(event) {
  const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
  const input = document.querySelector("[class*='st-key-picture-'] input[type=file]");
  if (!file || !input) return;
  event.preventDefault();
  const transfer = new DataTransfer();
  const ending = file.type.split("/")[1].replace("jpeg", "jpg");
  transfer.items.add(new File([file], `Pasted picture.${ending}`, { type: file.type }));
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
