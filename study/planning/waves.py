"""The waves of a study that makes claims: which seeds of its rows run next, decided once all before them are over.

A wave stands in the plan before its runs start. So a study that is killed goes on with the wave that it was in, and
what its runs show does not depend on who finished first.
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from statistics import median

from study.evidence import replay, statements
from study.evidence.next_seeds import Costs, NextSeeds, Run
from study.evidence.verdicts import Word
from study.nouns.metrics import Metric
from study.nouns.promised import Plan, PlannedRun
from study.nouns.records import RunRecord, StudyFiles
from study.nouns.spec import StudySpec


class Waves:
    """What has been run of a study's rows, what it shows of the claims, and what they ask for next.

    Args:
        spec: the study, completed.
        rows: a run of every row and seed.
        metric: the study's.
        files: where records lie.
        before: the plan so far.
    """

    def __init__(
        self, spec: StudySpec, rows: Sequence[PlannedRun], metric: Metric, files: StudyFiles, before: Plan
    ) -> None:
        self.spec, self.metric, self.files = spec, metric, files
        self.started = {(run.label, run.config.seed): run.wave for run in before.runs if run.wave is not None}
        """The number of the wave that each run belongs to, by row and seed."""
        configs = {run.label: run.config for run in rows if run.config.method != "teacher"}
        self.evidence = replay.begin(spec, configs, metric)
        self._said = set[int]()

    def of(self, runs: Iterable[PlannedRun]) -> list[PlannedRun]:
        """The runs among these that belong to a wave, each with its number, and the teachers, which belong to none."""
        numbered = [(run, self.started.get((run.label, run.config.seed))) for run in runs]
        return [
            run.model_copy(update={"wave": number})
            for run, number in numbered
            if number is not None or run.config.method == "teacher"
        ]

    def look(self, runs: Sequence[PlannedRun], gone: Container[str] = ()) -> bool:
        """Take in the waves that are over; returns whether all are.

        Args:
            runs: those of the waves.
            gone: keys of runs that will have no record.
        """

        def ended(run: PlannedRun) -> RunRecord | None:
            key = run.config.key
            record = self.files.ended(key) if run.final else None
            if record is None and key in gone:
                return RunRecord(key=key, study=self.spec.name, config=run.config, status="failed")
            return record

        waves = replay.waves_of(list(runs))
        replay.add_waves(self.evidence, waves, ended, self.spec, self.metric)
        return self.evidence.readings.wave == len(waves)

    def wants(self) -> bool:
        """Whether a claim asks for more, once all waves are over."""
        return bool(self._next(Costs()).wave(places=1))

    def next(self, places: int, most: int | None, without: Iterable[str], runs: Sequence[PlannedRun]) -> list[Run]:
        """Rows and seeds of the next wave; none where no claim asks for more.

        Args:
            places: how many seeds can run at once.
            most: how many runs may be started; None is any number.
            without: rows that cannot be run, as there is no teacher to learn from.
            runs: those of the waves so far, which say what further ones will take.
        """
        for row in without:
            self.evidence.readings.lose(row)
        return self._next(self._costs(runs)).wave(places, most, ride=self.spec.budget.runs is None)

    def start(self, runs: Iterable[Run]) -> None:
        """These runs are the next wave."""
        self.started |= dict.fromkeys(runs, max(self.started.values(), default=0) + 1)

    def news(self) -> Iterator[str]:
        """The verdicts that were not told yet."""
        for number, one in enumerate(self.evidence.claims):
            if number not in self._said and self.evidence.verdict(number).word is not Word.UNDECIDED:
                self._said.add(number)
                yield f"{one.claim.text()}: {statements.answer(self.evidence, number, self.spec.rule).sentence}"

    def verdicts(self) -> list[tuple[str, str]]:
        """Every claim, and what is said of it by now."""
        claims = enumerate(self.evidence.claims)
        return [(one.claim.text(), str(self.evidence.verdict(number).word)) for number, one in claims]

    def settled(self, runs: Iterable[PlannedRun]) -> set[str]:
        """Keys of runs that are not tried again: those that diverged, and all that others were planned after."""
        last = max(self.started.values(), default=0)
        failed = [(run, self.files.record(run.config.key)) for run in runs if run.wave is not None]
        return {
            run.config.key
            for run, record in failed
            if record is not None and record.status == "failed" and (record.diverged or run.wave != last)
        }

    def _next(self, costs: Costs) -> NextSeeds:
        return NextSeeds(self.evidence, self.spec.rule.give_up_below, costs)

    def _costs(self, runs: Iterable[PlannedRun]) -> Costs:
        """What a run takes by itself, and what a seed takes for all its runs, as measured so far."""
        own: dict[str, list[float]] = {}
        streams: dict[str, list[float]] = {}
        for run in runs:
            record = self.files.finished(run.config.key) if run.wave is not None else None
            steps = record.facts.get("steps", 0.0) if record is not None else 0.0
            if record is None or not steps or any(epoch.step_seconds is None for epoch in record.epochs):
                continue
            mine = median(epoch.step_seconds or 0.0 for epoch in record.epochs) * steps
            own.setdefault(run.label, []).append(mine)
            setting = self.evidence.readings.settings[run.label]
            streams.setdefault(setting, []).append(max(0.0, sum(epoch.seconds for epoch in record.epochs) - mine))
        return Costs(
            {row: median(seconds) for row, seconds in own.items()},
            {setting: median(seconds) for setting, seconds in streams.items()},
        )
