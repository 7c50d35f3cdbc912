"""The page while a sweep runs: what runs do is seen in their files, the server answers this machine alone, nothing is judged early."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import ConfigError
from ablate.live.progress import RunNow, Watch, left
from ablate.live.server import LiveStudy, serve

Run = Callable[..., int]


@pytest.fixture
def planned(ablate: Run, here: Path, tiny: tuple[str, ...]) -> Path:
    """A study of 4 arms and 2 seeds of 2,048 tokens, none of whose runs has begun."""
    assert ablate("plan", *tiny, "plan.probe=false") == 0
    return here / "studies" / "demo"


def put(study: Path, arm: str, seed: int, name: str, text: str) -> Path:
    path = study / "runs" / arm / f"seed-{seed}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_run_is_what_its_files_say(planned: Path) -> None:
    watch = Watch(planned)
    before = watch.look()
    assert {run.status for run in before.runs} == {"waiting"} and len(before.runs) == 8
    assert before.left_s is None
    step, point = (
        '{"step": 1, "tokens": 512, "loss": 4}\n',
        {"tokens": 1024, "scores": {"facts": {"prob": 0.25}}},
    )
    put(planned, "full", 0, "log.txt", step + json.dumps(point) + '\n{"step": 2, "tok')
    put(planned, "full", 1, "record.json", json.dumps({"cost": {"run_s": 10.0}}))
    put(planned, "without_language", 0, "failed.json", json.dumps({"error": "the disk is full"}))
    put(planned, "without_language", 0, "log.txt", "line\n" * 1000 + "the last line")
    now = watch.look()
    found = {(run.arm, run.seed): run for run in now.runs}
    running = found["full", 0]
    assert (running.status, running.progress) == ("running", 0.5), "1,024 of 2,048 tokens"
    assert running.curve is not None
    assert running.curve.tokens == (1024,) and running.curve.scores == {"facts/prob": (0.25,)}
    assert (found["full", 1].status, found["full", 1].took_s) == ("done", 10.0)
    failed = found["without_language", 0]
    assert (failed.status, failed.why) == ("failed", "the disk is full")
    assert failed.log is not None and failed.log.endswith("the last line") and len(failed.log) <= 3000
    assert (
        now.records != before.records == Watch(planned).look().records
        or now.records == Watch(planned).look().records
    )
    put(planned, "full", 0, "log.txt", "")  # tried again: the log is emptied
    assert {run.status for run in watch.look().runs if (run.arm, run.seed) == ("full", 0)} == {"waiting"}


def test_a_log_that_stopped_growing_is_said_to_be_silent(planned: Path) -> None:
    log = put(planned, "full", 0, "log.txt", '{"tokens": 512}\n')
    stat = log.stat()
    os.utime(log, (stat.st_atime, stat.st_mtime - 600))
    (silent,) = [run.silent_s for run in Watch(planned).look().runs if run.status == "running"]
    assert silent is not None and 570 <= silent <= 720


@pytest.mark.parametrize("text", ["", "[]", "{", '{"cost": null}', '{"cost": {"run_s": NaN}}'])
def test_a_damaged_record_is_done_without_a_duration(planned: Path, text: str) -> None:
    put(planned, "full", 0, "record.json", text)
    (found,) = [run for run in Watch(planned).look().runs if run.status == "done"]
    assert found.took_s is None


def test_the_time_left_by_hand() -> None:
    """Ten runs took 10 s, one is half way, two wait, one machine: 2.5 runs of 10 s; with two going, half of what is left."""
    done = [RunNow("a", seed, "done", took_s=10.0) for seed in range(10)]
    half, wait = RunNow("b", 0, "running", progress=0.5), [RunNow("c", seed, "waiting") for seed in (0, 1)]
    assert left([*done, half, *wait]) == (25.0, 25.0)
    assert left([*done, half, half, *wait]) == (15.0, 15.0)
    assert left([done[0], half]) is None, "one run says nothing of the spread"
    assert left(done) is None, "nothing is left"


@pytest.fixture
def served(planned: Path) -> Iterator[int]:
    server = serve(planned)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(
    port: int, path: str = "/news.json", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(
        method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    return answer.status, dict(answer.getheaders()), answer.read()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/news.json", {}, 200),
        ("/news.json", {"Host": "localhost:8770"}, 200),  # a port that ssh forwards
        ("/news.json", {"Sec_Fetch_Site": "same-origin"}, 200),
        ("/news.json", {"Host": "evil.example"}, 403),
        ("/news.json", {"Host": "127.0.0.1.evil.example"}, 403),
        ("/news.json", {"Host": "evil.example:80"}, 403),
        ("/news.json", {"Host": ""}, 403),
        ("/news.json", {"Origin": "https://evil.example"}, 403),
        ("/news.json", {"Origin": "null"}, 403),
        ("/news.json", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("/", {"Sec_Fetch_Site": "same-site"}, 403),
        ("/../../etc/passwd", {}, 404),
        ("/%2e%2e/plan.json", {}, 404),
        ("/plan.json", {}, 404),
        ("//etc/passwd", {}, 404),
        ("/news.json?x=1", {}, 404),
    ],
)
def test_it_answers_this_machine_alone(served: int, path: str, headers: dict[str, str], status: int) -> None:
    found, sent, body = ask(served, path, **headers)
    assert found == status
    assert sent["X-Frame-Options"] == "DENY" and "Access-Control-Allow-Origin" not in sent
    assert status == 200 or b"full" not in body, "a refusal holds nothing of the study"


def test_it_only_reads(served: int, planned: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in planned.rglob("*")}
    assert ask(served, "/")[0] == 200 and ask(served, "/study.json")[0] == 200
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        assert ask(served, "/news.json", method)[0] == 501
    assert {path: path.stat().st_mtime_ns for path in planned.rglob("*")} == before


def test_a_finished_sweep_that_lost_a_record_has_no_verdict(
    ablate: Run, here: Path, tiny: tuple[str, ...]
) -> None:
    assert ablate("sweep", *tiny) == 0
    study = here / "studies" / "demo"
    (study / "runs" / "without_language" / "seed-1" / "record.json").unlink()
    data = LiveStudy(study).data()
    assert data["runs"]["status"].count("waiting") == 1 and data["effects"]["estimate"]
    for name in (
        "ci_low",
        "ci_high",
        "ci_low_items",
        "seed_error",
        "item_error",
        "p_value",
        "p_adjusted",
        "mde",
    ):
        assert set(data["effects"][name]) == {None}, name
    assert set(data["effects"]["kind"]) == {"incomplete"}


def test_what_did_not_change_is_not_sent_again(served: int, planned: Path) -> None:
    status, sent, _ = ask(served)
    assert status == 200
    assert ask(served, If_None_Match=sent["ETag"])[::2] == (304, b"")
    put(planned, "full", 0, "log.txt", '{"tokens": 512}\n')
    status, _, body = ask(served, If_None_Match=sent["ETag"])
    assert status == 200 and b'"running"' in body


def test_a_port_that_is_taken_is_named(served: int, planned: Path) -> None:
    with pytest.raises(ConfigError, match=f"dashboard.port={served}"):
        serve(planned, served)


def test_a_server_is_not_a_file(ablate: Run, planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate("dashboard", "study=demo", "dashboard.serve=true", "dashboard.to=x.html") == 2
    assert "served or written" in capsys.readouterr().err
    assert ablate("dashboard", "study=demo", "dashboard.to=x.html") == 0, "a study that waits, as a file"
    assert Path("x.html").exists()


def test_a_sweep_seen_from_its_first_run_to_its_end(
    ablate: Run, here: Path, tiny: tuple[str, ...], browser: Any
) -> None:
    """A real sweep in another process, a real `ablate dashboard` in a third, a browser in front: one arm fails, and no
    interval, p-value or verdict is there before the plan is complete."""
    overrides = [one for one in tiny if not one.startswith("design")]
    overrides += [
        "design=add_one_in",
        "design.factors=[language,minhash_dedup]",
        "stages.language.languages=[fi]",
    ]
    assert ablate("plan", *overrides, "plan.probe=false") == 0
    command = [sys.executable, "-m", "ablate"]
    shown = subprocess.Popen([*command, "dashboard", "study=demo"], stdout=subprocess.PIPE, text=True)
    try:
        assert shown.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:\d+", shown.stdout.readline())
        assert address is not None
        page = browser.new_context().new_page()
        said: list[str] = []
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address[0])
        page.wait_for_selector("html[data-ready]")
        live = page.locator("#live")
        live.filter(has_text="6 waiting of 6").wait_for()
        assert "Differences so far are shown as dots" in page.locator("#head .warn").inner_text()
        sweep = subprocess.Popen(
            [*command, "sweep", *overrides], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        live.filter(has_text="2 failed").wait_for(timeout=120_000)
        page.locator("#runs").scroll_into_view_if_needed()
        page.locator("#runs .failure pre").first.wait_for()
        early = page.locator("#gains .body").inner_text()
        if page.locator("#head .warn", has_text="The plan is not complete").count():
            assert not re.search(r"\bhelps\b|\bhurts\b|no effect seen", early)
        assert sweep.wait(timeout=300) == 1, "one arm failed"
        live.filter(has_text="Ended").wait_for(timeout=60_000)
        page.locator("#head .warn", has_text="The plan is not complete").wait_for(
            state="detached", timeout=120_000
        )
        page.locator("#runs td.done").nth(3).wait_for()
        assert page.locator("#runs td.done").count() == 4 and page.locator("#runs td.failed").count() == 2
        assert not said
    finally:
        shown.terminate()
        shown.communicate(timeout=60)
