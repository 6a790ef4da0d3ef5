// A picture from the clipboard, or one that falls anywhere on the page, goes the way of one that is chosen: same limit,
// same place, same way out.

const PICTURE_PLACE = "[class*='st-key-picture-']";

// What listens while `isThere` says so; what the page itself has dragged is no new picture.
function takePictures(isThere) {
  let own = false;
  const listeners = {
    paste: (event) => {
      const file = [...(event.clipboardData?.files ?? [])].find((each) => each.type.startsWith("image/"));
      if (file) givePicture(event, named(file));
    },
    dragstart: () => (own = true),
    dragend: () => (own = false),
    dragover: (event) => !own && event.dataTransfer?.types.includes("Files") && pictureInput() && event.preventDefault(),
    drop: (event) => {
      const [file] = event.dataTransfer?.files ?? [];
      const onPlace = event.composedPath().some((each) => each.matches?.(PICTURE_PLACE)); // which takes it by itself
      if (file && !own && !onPlace) givePicture(event, file);
    },
  };
  const listen = (event) => (isThere() ? listeners[event.type](event) : stop());
  const stop = () => Object.keys(listeners).forEach((type) => document.removeEventListener(type, listen));
  for (const type of Object.keys(listeners)) document.addEventListener(type, listen);
  return stop;
}

function pictureInput() {
  return document.querySelector(`${PICTURE_PLACE} input[type=file]`);
}

function named(file) {
  const ending = file.type.split("/")[1].replace("jpeg", "jpg");
  return new File([file], `Pasted picture.${ending}`, { type: file.type });
}

function givePicture(event, file) {
  const input = pictureInput();
  if (!input) return;
  event.preventDefault();
  const transfer = new DataTransfer();
  transfer.items.add(file);
  input.files = transfer.files;
  input.dispatchEvent(new Event("change", { bubbles: true }));
}
