"""The verb `train` as a user meets it: from folders to a run, and from a run to a space."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from indexer import BuildOptions, Library, Query, TrainOptions
from indexer.errors import CheckpointError, GlimpseError, ModelUnavailableError, UsageError
from indexer.learning import training
from indexer.train.loop import Step
from indexer.train.runs import Run as RunFolder
from tests.clip_models import register
from tests.conftest import RGB, MakePicture, Run, environment

SMALL = TrainOptions(backbone="resnet10-narrow", size=32, batch=8, epochs=1, workers=0)


@pytest.fixture
def colours(photos: Path) -> Path:
    """Forty pictures of noise in four colours, a folder for each."""
    rng = np.random.default_rng(0)
    for name, rgb in RGB.items():
        (photos / name).mkdir()
        for number in range(10):
            noise = rng.normal(rgb, 40, (40, 48, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(noise).save(photos / name / f"{number}.png")
    return photos


def changed(options: TrainOptions, **changes: object) -> TrainOptions:
    from dataclasses import replace

    return replace(options, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["simclr", "moco", "byol"])
def test_a_run_becomes_a_space_that_finds_pictures_by_pictures(
    library: Library, colours: Path, method: str
) -> None:
    said = ("hidden_dim=32",) if method == "byol" else ()
    report = library.train(method, [colours], changed(SMALL, set=said))
    assert (report.pictures, report.held_out, report.failed) == (36, 4, 0)
    assert set(report.retrieval) == {"before", "after", "space tiny"}
    library.build([colours], BuildOptions(model=report.model, space="mine"))
    answer = library.search(Query.image(colours / "red" / "0.png"), k=3, space="mine")
    assert len(answer) == 3
    assert library.space("mine").model == f"run:{method}"


def test_a_run_says_what_it_was_made_of_and_leaves_no_pictures_behind(
    library: Library, colours: Path
) -> None:
    report = library.train("simclr", [colours], changed(SMALL, name="first", seed=3))
    described = json.loads((report.folder / "run.json").read_text())
    assert described["method"] == "simclr"
    assert described["seed"] == 3
    assert described["dim"] == 256
    assert described["data"] == {"pictures": 36, "held_out": 4, "failed": 0}
    assert described["retrieval"] == report.retrieval
    assert set(described["versions"]) >= {"glimpse", "torch", "timm", "lightly"}
    assert {path.name for path in report.folder.iterdir()} == {
        "run.json",
        "settings.json",
        "weights.safetensors",
        "curve.csv",
        "curve.png",
    }


def test_no_picture_is_opened_again_once_training_has_begun(
    library: Library, colours: Path
) -> None:
    """Neither a file of the user's nor what was kept of it: the kept file is mapped, and memory serves the rest."""

    def lose_everything(step: Step) -> None:
        if step.number == 1:
            shutil.rmtree(colours)
            kept = library.folder / "runs" / "simclr" / "pictures" / "pictures.bin"
            kept.unlink()

    options = changed(SMALL, epochs=3)
    report = library.train("simclr", [colours], options, on_train=lose_everything)
    assert report.steps == 12
    assert not colours.exists()


def test_the_saved_model_is_the_one_that_was_measured(library: Library, colours: Path) -> None:
    report = library.train("simclr", [colours], SMALL)
    library.build([colours], BuildOptions(model=report.model, space="mine"))
    again = library.train("simclr", [colours], SMALL)
    # The same seed gives the same run, and a second library would get the same space.
    assert again.model == "run:simclr-2"
    assert again.retrieval["after"] == report.retrieval["after"]
    library.build([colours], BuildOptions(model=again.model))
    assert len(library.status().spaces) == 2


def test_training_starts_from_another_run(library: Library, colours: Path) -> None:
    first = library.train("simclr", [colours], SMALL)
    on = changed(SMALL, backbone=None, size=None, start="run:simclr", epochs=0.01)
    second = library.train("byol", [colours], changed(on, set=("hidden_dim=32",)))
    assert second.retrieval["before"] == first.retrieval["after"]


def test_a_killed_run_resumes_to_the_curve_that_it_would_have_had(
    glimpse: Run, colours: Path, library_folder: Path, tmp_path: Path
) -> None:
    arguments: list[str | Path] = [
        "train",
        "simclr",
        colours,
        "--backbone",
        "resnet10-narrow",
        "--size",
        "32",
    ]
    arguments += ["--batch", "8", "--epochs", "5", "--precision", "fp32"]
    whole = glimpse(*arguments, "--name", "whole")
    assert whole.returncode == 0, whole.stderr
    arguments += ["--keep-every-s", "0"]
    command = [Path(sys.executable), "-m", "indexer", *arguments, "--name", "cut"]
    child = subprocess.Popen(
        [*command, "--library", library_folder], env=environment(), stderr=subprocess.DEVNULL
    )
    runs = library_folder / "runs"
    deadline = time.monotonic() + 60
    while len(RunFolder(runs / "cut").curve()) < 7:
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    resumed = glimpse(*arguments, "--name", "cut", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    curves = [RunFolder(runs / name).curve() for name in ("whole", "cut")]
    assert [row["step"] for row in curves[1]] == list(range(1, 21))
    assert [row["loss"] for row in curves[0]] == [row["loss"] for row in curves[1]]


def test_what_is_interrupted_while_it_is_measured_is_measured_by_resuming(
    library: Library, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "default_space", interrupted)
        library.train("simclr", [colours], SMALL)
    folder = library.folder / "runs" / "simclr"
    weights = (folder / "weights.safetensors").read_bytes()
    taken: list[Step] = []
    report = library.train("simclr", [colours], changed(SMALL, resume=True), on_train=taken.append)
    assert taken == []
    assert set(report.retrieval) == {"before", "after", "space tiny"}
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert not (folder / "resume.pt").exists()


def test_ctrl_c_says_how_to_go_on(colours: Path, library_folder: Path) -> None:
    command: list[str | Path] = [Path(sys.executable), "-m", "indexer", "train", "simclr", colours]
    command += ["--backbone", "resnet10-narrow", "--size", "32", "--library", library_folder]
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE) as child:
        assert child.stderr is not None
        first = child.stderr.readline()  # a line a minute, the first after one step
        child.send_signal(signal.SIGINT)
        rest = child.stderr.read()
    assert first.startswith(b"simclr: step 1, loss")
    assert rest == b"glimpse: stopped; the same command with --resume goes on\n"
    assert child.returncode == 130


@pytest.mark.slow
def test_two_processes_train_one_model(colours: Path, library_folder: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
    ]
    command += ["-m", "indexer", "train", "simclr", colours, "--backbone", "resnet10-narrow"]
    command += ["--size", "32", "--batch", "8", "--epochs", "2", "--json"]
    command += ["--library", library_folder]
    done = subprocess.run(
        command, capture_output=True, cwd=tmp_path, env={**environment(), "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)  # one object: the leading process alone speaks
    assert report["steps"] == 8
    described = json.loads((Path(report["folder"]) / "run.json").read_text())
    assert described["settings"]["processes"] == 2


def test_clip_learns_from_folder_names_and_answers_words(
    library: Library, colours: Path, tmp_path: Path
) -> None:
    tiny = register("tiny-words", tmp_path)
    options = TrainOptions(
        backbone=tiny, batch=8, epochs=25, learning_rate=1e-3, captions=("folders",), workers=0
    )
    report = library.train("clip", [colours], options)
    assert report.retrieval["after"]["words to pictures, recall@1"] == 1.0
    library.build([colours], BuildOptions(model=report.model, space="words"))
    answer = library.search("a photo of a yellow.", k=10, space="words")
    assert {hit.path.parent.name for hit in answer} == {"yellow"}


def test_clip_goes_on_from_its_own_run_with_a_tower_locked(
    library: Library, colours: Path, tmp_path: Path
) -> None:
    tiny = register("tiny-locked", tmp_path)
    first = TrainOptions(
        backbone=tiny, batch=14, epochs=1, hold_out=0.3, captions=("folders",), workers=0
    )
    library.train("clip", [colours], first)
    locked = changed(first, backbone=None, start="run:clip", lock="image", learning_rate=1e-2)
    report = library.train("clip", [colours], locked)
    same = "pictures of the same folder, mAP"
    assert report.retrieval["after"][same] == pytest.approx(report.retrieval["before"][same])
    words = "words to pictures, mAP"
    assert report.retrieval["after"].get(words) != report.retrieval["before"].get(words)


def test_heads_are_learned_over_the_vectors_that_the_library_has(
    library: Library, colours: Path
) -> None:
    library.build([colours])
    for path in colours.rglob("*.png"):
        path.write_bytes(b"not a picture any more")  # nothing is decoded
    options = TrainOptions(heads_only=True, captions=("folders",), epochs=40, batch=18)
    report = library.train("clip", [colours], options)
    assert report.pictures == 36
    assert set(report.retrieval) == {"before", "after", "space tiny"}
    assert report.retrieval["before"] == report.retrieval["space tiny"]


def test_heads_begin_as_what_the_model_answers_already(library: Library, colours: Path) -> None:
    library.build([colours])
    options = TrainOptions(heads_only=True, captions=("folders",), epochs=1, hold_out=0.4)
    barely = library.train("clip", [colours], changed(options, learning_rate=1e-9))
    assert barely.retrieval["after"] == barely.retrieval["before"]


def test_a_run_of_heads_embeds_like_its_model_with_the_heads_after_it(
    library: Library, colours: Path
) -> None:
    library.build([colours])
    options = TrainOptions(heads_only=True, captions=("folders",), epochs=40, batch=18)
    report = library.train("clip", [colours], options)
    library.build([colours], BuildOptions(model=report.model, space="heads"))
    found = library.search("a photo of a green.", k=10, space="heads")
    assert len(found) == 10
    assert library.space("heads").reads_text


def test_a_run_is_adopted_only_where_it_is_better(library: Library, colours: Path) -> None:
    library.build([colours])
    options = TrainOptions(
        heads_only=True, captions=("folders",), epochs=0.01, batch=18, adopt=True
    )
    worse = library.train("clip", [colours], options)
    assert not worse.adopted
    assert library.space().name == "tiny"


def test_adopting_what_cannot_read_words_is_refused_before_it_is_trained(
    library: Library, colours: Path
) -> None:
    library.build([colours])
    with pytest.raises(UsageError, match="tiny reads words, which simclr does not learn"):
        library.train("simclr", [colours], changed(SMALL, adopt=True))
    assert not (library.folder / "runs").exists()


def test_a_first_run_that_is_adopted_makes_the_library(colours: Path, tmp_path: Path) -> None:
    with Library.open(tmp_path / "new", create=True) as library:
        report = library.train("simclr", [colours], changed(SMALL, adopt=True))
        assert report.adopted
        assert library.space().model == "run:simclr"
        assert len(library.photos()) == 40


def test_files_that_cannot_be_read_are_counted_and_nothing_else(
    glimpse: Run, colours: Path
) -> None:
    for name in range(3):
        (colours / f"broken{name}.jpg").write_bytes(b"\xff\xd8\xff broken")
    done = glimpse(
        "train", "simclr", colours, "--backbone", "resnet10-narrow", "--size", "32",
        "--epochs", "1", "--batch", "8", "--hold-out", "0", "--json",
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    report = json.loads(done.stdout)
    assert (report["pictures"], report["failed"]) == (40, 3)


def test_the_models_that_were_trained_here_are_listed(
    library: Library, colours: Path, glimpse: Run
) -> None:
    library.train("simclr", [colours], changed(SMALL, name="mine"))
    assert library.runs() == ["run:mine"]
    assert b"trained here: run:mine" in glimpse("models").stderr


def test_curves_are_written_for_tensorboard_too(library: Library, colours: Path) -> None:
    report = library.train("simclr", [colours], changed(SMALL, tensorboard=True))
    assert list((report.folder / "tensorboard").glob("events.out.tfevents.*"))


def test_a_link_in_place_of_the_weights_is_no_other_model(library: Library, colours: Path) -> None:
    report = library.train("simclr", [colours], SMALL)
    library.build([colours], BuildOptions(model=report.model, space="mine"))
    (report.folder / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(CheckpointError):
        library.build([colours], BuildOptions(model=report.model, space="other"))


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("dino", {}, "dino is no method; there are simclr, moco, byol, clip"),
        ("simclr", {"lock": "image"}, "simclr learns from pictures alone"),
        ("simclr", {"epochs": 0}, "--epochs 0 is too little"),
        ("simclr", {"hold_out": 1.0}, "--hold-out 1.0 is no share"),
        ("simclr", {"name": "a/b"}, "--name a/b: a run's name has letters"),
        ("simclr", {"name": "."}, "--name .: a run's name has letters"),
        ("simclr", {"name": ".."}, "--name ..: a run's name has letters"),
        ("simclr", {"learning_rate": float("nan")}, "--learning-rate nan makes no sense"),
        ("simclr", {"learning_rate": -1.0}, "--learning-rate -1.0 makes no sense"),
        ("simclr", {"weight_decay": -1.0}, "--weight-decay -1.0 makes no sense"),
        ("simclr", {"seed": -1}, "--seed -1 makes no sense"),
        ("simclr", {"epochs": float("inf")}, "--epochs inf makes no sense"),
        ("simclr", {"set": ("temprature=1",)}, "has no temprature; did you mean temperature?"),
        ("simclr", {"set": ("temperature=warm",)}, "temperature=warm: it should be a valid number"),
        ("simclr", {"set": ("temperature=0",)}, "temperature=0: it should be greater than 0"),
        ("simclr", {"set": ("temperature=inf",)}, "temperature=inf: it should be a finite number"),
        ("simclr", {"set": ("min_scale=2",)}, "min_scale=2: it should be less than or equal to 1"),
        ("simclr", {"set": ("strength=9",)}, "strength=9: it should be less than or equal to 2.5"),
        ("simclr", {"set": ("output_dim=-3",)}, "output_dim=-3: it should be greater than or"),
        ("simclr", {"set": ("batch_norm=so",)}, "batch_norm=so: it should be a valid boolean"),
        ("moco", {"set": ("bn_batch=0",)}, "bn_batch=0: it should be greater than or equal to 1"),
        ("moco", {"set": ("hue=0.7",)}, "hue=0.7: it should be less than or equal to 0.5"),
        ("byol", {"set": ("base_decay=2",)}, "base_decay=2: it should be less than or equal to 1"),
        ("simclr", {"backbone": "resnet19"}, "timm has no network named resnet19"),
        ("simclr", {"start": "run:none", "backbone": None}, "no finished run"),
        ("simclr", {"resume": True}, "simclr was never begun; leave --resume away"),
        ("simclr", {"precision": "fp16"}, "fp16 needs an accelerator"),
        ("clip", {"backbone": None, "start": "starter"}, "goes on from open_clip's models only"),
        ("clip", {"backbone": "tiny-none"}, "open_clip has no architecture"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(
    library: Library, colours: Path, method: str, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(GlimpseError, match=message) as refused:
        library.train(method, [colours], changed(SMALL, **changes))
    assert "\n" not in str(refused.value)
    assert not list((library.folder / "runs").glob("*"))  # its name stays free


def test_the_command_refuses_in_one_line_too(glimpse: Run, colours: Path) -> None:
    done = glimpse("train", "simclr", colours, "--size", "32", "--set", "heat=1")
    assert done.returncode == 2
    assert done.stderr.decode().startswith(
        "glimpse: --set heat=1: this method has no heat; there are"
    )
    assert done.stderr.count(b"\n") == 1


def test_a_package_that_is_missing_is_named_with_the_remedy(colours: Path) -> None:
    program = "import sys; sys.modules['lightly'] = None; from indexer.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "simclr", colours],
        capture_output=True,
        env=environment(),
    )
    assert done.returncode == 1
    assert (
        b"needs the package lightly; install it with: pip install 'glimpse[train]'" in done.stderr
    )


def test_too_few_pictures_are_refused(library: Library, picture: MakePicture, photos: Path) -> None:
    picture("a.png")
    with pytest.raises(UsageError, match="1 pictures in .* are too few to learn from"):
        library.train("simclr", [photos], SMALL)


def test_a_run_that_is_not_there_is_named(library: Library, colours: Path) -> None:
    with pytest.raises(ModelUnavailableError, match="no finished run in .*runs/other"):
        library.build([colours], BuildOptions(model="run:other"))


def test_a_run_trained_beside_others_stops_at_a_name_that_is_taken(
    library: Library, colours: Path
) -> None:
    library.train("simclr", [colours], changed(SMALL, name="mine"))
    with pytest.raises(UsageError, match="the run mine is there already"):
        library.train("simclr", [colours], changed(SMALL, name="mine"))
    assert os.listdir(library.folder / "runs") == ["mine"]


def test_a_name_that_leads_out_of_the_runs_takes_nothing_with_it(
    library: Library, colours: Path, tmp_path: Path
) -> None:
    library.build([colours])
    there = sorted(library.folder.rglob("*"))
    (tmp_path / "empty").mkdir()
    for name in (".", "..", "../.."):
        with pytest.raises(UsageError):
            library.train("simclr", [tmp_path / "empty"], changed(SMALL, name=name))
    assert sorted(library.folder.rglob("*")) == there
