"""What a library takes at any size: plain arithmetic over what was measured, which must be right."""

from benchmarks.scale import KINDS, Measured, Prices, rows, table

EACH = Measured(
    core_s={KINDS[0]: 0.09, KINDS[1]: 0.18},
    kb={KINDS[0]: 100, KINDS[1]: 2500},
    catalog_kb=1.5,
    snapshot_kb=0.5,
    cells_bytes=150,
    publishing_s=0.00005,
    efficiency=0.9,
)
PRICES = Prices(core_hour_eur=0.03, tb_month_eur=20, million_reads_eur=0.4, ram_gb_month_eur=2.5)


def test_a_million_pictures_take_what_one_takes_a_million_times() -> None:
    told = [value for _, value in rows(1_000_000, 10, EACH, PRICES)]
    photos, large = told[:4], told[4:8]
    assert photos == [
        "28",
        "1.4",
        "1",
        "0.1",
    ]  # 1e6 · 0.09 s / 0.9 / 3600; on 20 cores; · 0.03 €; 100 kB
    assert large == ["56", "2.8", "2", "2.5"]
    assert told[8:] == ["0", "0.00", "0", "0.1", "0", "0"]


def test_a_billion_pictures_take_a_thousand_times_as_much() -> None:
    told = [value for _, value in rows(10**9, 10, EACH, PRICES)]
    assert told[8:] == ["400", "2.00", "40", "150.0", "375", "28"]


def test_the_table_has_a_column_a_size() -> None:
    lines = table([1000, 2000], 10, EACH, PRICES).splitlines()
    assert lines[0] == "| pictures | 1,000 | 2,000 |"
    assert {line.count("|") for line in lines} == {4}
