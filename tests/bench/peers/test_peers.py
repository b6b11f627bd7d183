"""What is ours of the comparison: the runner without the peers' environments, the clock, the table."""

import json
import subprocess

import pytest
from tests.bench.peers import __main__ as runner
from tests.bench.peers import clock, table
from tests.bench.peers.written import read


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """The runner's folders, without a pin that anyone could install."""
    for name in ("BUILD", "KEPT", "PINS"):
        monkeypatch.setattr(runner, name, tmp_path / name)
    (tmp_path / "PINS").mkdir()
    monkeypatch.setattr(runner, "DATA", "README.md")
    return tmp_path


def test_a_peer_that_cannot_be_installed_gives_a_line_and_the_next_one_follows(own_folders, monkeypatch, capfd):
    monkeypatch.setenv("UV_OFFLINE", "1")
    (own_folders / "PINS" / "replay.txt").write_text("no-package-has-this-name==1.0\n")
    script = own_folders / "peer_here.py"
    script.write_text(
        """print('{"what": "work", "by": "a", "rows": 4, "seconds": 2, "processor": 1, "memory_mb": 3}')"""
    )
    monkeypatch.setattr(runner, "SCRIPTS", own_folders)
    here = runner.Peer(["msgspec"], ["peer_here.py"], {"users": 7}, {"users": 3}, here=True)
    monkeypatch.setattr(runner, "PEERS", {"replay": runner.PEERS["replay"], "rules": here})
    assert runner.main(["--only", "replay", "rules", "--turns", "1", "--quick"]) == 1
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("replay: ")
    assert "no-package-has-this-name" in said[0]
    assert [path.name for path in (own_folders / "KEPT").iterdir()] == ["rules.json"]
    kept = json.loads((own_folders / "KEPT" / "rules.json").read_text())
    assert kept["sizes"] == {"users": 3}
    assert [run["rows"] for run in kept["runs"]] == [4]
    assert set(kept["versions"]) == {"recaug", "msgspec"}


def test_a_script_that_fails_gives_its_last_line(own_folders, monkeypatch):
    (own_folders / "peer_bad.py").write_text("raise ValueError('no such thing')")
    monkeypatch.setattr(runner, "SCRIPTS", own_folders)
    with pytest.raises(runner.Failed, match="ended with 1: ValueError: no such thing"):
        runner.spoken(["python3", "peer_bad.py"])


def test_without_the_data_nothing_is_measured(own_folders, monkeypatch, capsys):
    monkeypatch.setattr(runner, "DATA", "nowhere.gz")
    assert runner.main(["--only", "recbole"]) == 0
    assert capsys.readouterr().out == "peers: nowhere.gz is not there; nothing is measured\n"


def test_every_peer_has_its_pins_or_needs_none_and_its_scripts():
    for name, peer in runner.PEERS.items():
        assert peer.here != (runner.PINS / f"{name}.txt").exists()
        for line in [*peer.before, *peer.turn, *peer.after]:
            for sizes in (peer.full, peer.quick):
                assert (runner.SCRIPTS / line.format(night="x", **sizes).split()[0]).exists()


def test_the_clock_counts_what_is_inside_and_what_others_do():
    running = clock.Clock()
    with running:
        subprocess.run(["python3", "-c", "sum(i * i for i in range(3_000_000))"], check=True)
    inside = running.processor
    assert inside > 0
    assert running.wall > 0
    sum(i * i for i in range(1_000_000))
    assert running.processor == inside  # it stands


COSTS = {"seconds": 2.0, "memory_mb": 100}
RUNS = [
    {"who": "ours", "what": "rows", "by": "a", "rows": 100, "processor": 1.0, **COSTS},
    {"who": "peer", "what": "rows", "by": "b", "rows": 50, "processor": 2.0, **COSTS},
    {"who": "ours", "what": "rows", "by": "a", "rows": 300, "processor": 1.0, **COSTS},
    {"who": "peer", "what": "rows", "by": "c", "rows": 800, "processor": 2.0, **COSTS},
    {"who": "ours", "what": "gate", "decision": "hold"},
]


def test_the_table_has_each_work_of_each_software_beside_the_other():
    head, *told = table.rows([{"runs": RUNS}])
    assert list(head) == list(table.HEAD)
    assert [list(row) for row in told] == [
        ["rows", "b", "25", "25", "", "100"],
        ["rows", "c", "400", "400", "", "100"],
        ["rows", "a", "100", "200", "8.00, 0.50", "100"],
    ]


def test_the_seconds_are_those_of_the_first_epoch_that_came_to_what_all_came_to():
    ours = RUNS[0] | {"popularity": 0.02, "curve": [[1.0, 0.5, 0.01], [2.0, 1.0, 0.04], [3.0, 1.5, 0.02]]}
    theirs = RUNS[1] | {"curve": [[10.0, 9.0, 0.01], [20.0, 18.0, 0.0309], [30.0, 27.0, 0.03099]]}
    assert table.target([ours, theirs]) == 0.0309
    assert table.seconds_to(ours, 0.0309) == (2.0, 1.0)
    assert [list(row) for row in table.rows([{"runs": [ours, theirs]}])][-2:] == [
        ["seconds to a validation NDCG@10 of .0309", "b", "20.0 s", "18.0 s", "", ""],
        ["seconds to a validation NDCG@10 of .0309", "a", "2.0 s", "1.0 s", "18.00", ""],
    ]
    known = ours | {"popularity": 0.0309}
    assert len(list(table.rows([{"runs": [known, theirs]}]))) == 3  # nothing was learnt by all


def test_an_item_comes_once_in_a_written_history(tmp_path):
    pandas = pytest.importorskip("pandas")
    path = tmp_path / "rows.csv"
    pandas.DataFrame({"user_id": [2, 2, 2, 1], "item_index": [5, 4, 5, 9]}).to_csv(path, index=False)
    assert [own.tolist() for own in read(str(path))] == [[9], [5, 4]]
