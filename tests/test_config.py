"""Settings: the file that the project ships, and what is said of a wrong one."""

from pathlib import Path

import pytest

from indexer import Config
from indexer.errors import ConfigError

SHIPPED = Path(__file__).parent.parent / "config.toml"


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "my.toml"
    path.write_text(text)
    return Config.load(path)


def test_the_shipped_file_shows_every_value_at_its_default() -> None:
    assert Config.load(SHIPPED) == Config()
    lines = SHIPPED.read_text()
    for section, model in Config():
        assert f"[{section}]" in lines
        for key in type(model).model_fields:
            assert f"\n{key} = " in lines


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    config = load(tmp_path, '[build]\nbatch_size = 8\nexclude = ["*.gif"]\n[ui]\nport = 9000')
    assert (config.build.batch_size, config.build.exclude, config.ui.port) == (8, ("*.gif",), 9000)
    assert config.search.top == Config().search.top


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "[build]\nbatchsize = 8",
            r"my\.toml: batchsize in \[build\] .* did you mean batch_size\?",
        ),
        ("[biuld]\nbatch_size = 8", r"\[biuld\] is not known; did you mean build\?"),
        ("[build]\nbatch_size = 0", r"build\.batch_size = 0: .*greater than or equal to 1"),
        ('[build]\nbatch_size = "8"', r"build\.batch_size = '8': .*valid integer"),
        ('[runtime]\ndevice = "tpu"', r"runtime\.device = 'tpu': .*'auto', 'cpu'"),
        ("build = 3", r"build = 3; it is a table, written \[build\]"),
        ("[build", "is not valid TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_file_key_and_remedy(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        load(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_named_but_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read"):
        Config.load(tmp_path / "none.toml")


def test_the_environment_names_a_file_and_the_option_outranks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env.toml").write_text("[search]\ntop = 7")
    (tmp_path / "config.toml").write_text("[search]\ntop = 9")
    monkeypatch.chdir(tmp_path)
    assert Config.load().search.top == 9
    monkeypatch.setenv("GLIMPSE_CONFIG", str(tmp_path / "env.toml"))
    assert Config.load().search.top == 7
    assert Config.load(tmp_path / "config.toml").search.top == 9
