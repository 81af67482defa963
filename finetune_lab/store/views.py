"""The second migration: what comparisons found, and views of everything under the names that people ask for."""

# The SQL of a table is its documentation: SQLite keeps these comments, and docs/store.md shows them.
REPORTS = (
    """create table statistical_tests (   -- one row a difference of a group's newest comparison
    group_name text not null,
    position integer not null,
    kind text not null,              -- arms, or knob: the effect of one swept knob
    knob text,                       -- its dotted path
    evaluator text not null,
    metric text not null,
    reference text not null,         -- labels
    candidate text not null,
    reference_value real,
    candidate_value real,
    difference real,
    low real,
    high real,
    confidence real not null,
    interval text not null,          -- methods
    test text not null,
    p_value real,
    p_adjusted real,
    adjustment text not null,
    effect_name text,
    effect real,
    num_pairs integer not null,
    num_seeds integer not null,
    is_primary integer not null,
    verdict text not null,
    caveats text not null,           -- JSON
    primary key (group_name, position)
) without rowid""",
    """create table comparative_analysis (-- everything else that a comparison found, section by section
    group_name text not null,
    section text not null,           -- tallies, ranking, fronts, trainings
    position integer not null,
    label text not null,             -- an arm, a pair, or the metrics of a front
    found text not null,             -- JSON
    primary key (group_name, section, position)
) without rowid""",
    """create table recommendations (     -- what declared rules say, with every condition
    group_name text not null,
    position integer not null,
    label text not null,
    outcome text not null,
    declared_beforehand integer not null,
    declaration text not null,
    facts text not null,             -- JSON
    conditions text not null,        -- JSON
    primary key (group_name, position)
) without rowid""",
    """create view experiments as
select coalesce(m.group_name, r.group_name) as group_name, r.key as run, r.base, r.label, r.model, r.data, r.method,
    r.seed, r.status, r.started, r.finished, r.error, m.joined, r.config
from run r
left join member m on m.run = r.key""",
    """create view training_metrics as
select r.label, r.seed, t.run, t.name, t.step, t.value, t.time
from training_metric t
left join run r on r.key = t.run""",
    """create view model_artifacts as     -- what trainings left behind; numbers of the report of a finished run
select key as run, label, model, folder, status,
    json_extract(report, '$.adapter_bytes') as adapter_bytes,
    json_extract(report, '$.num_trainable_parameters') as num_trainable_parameters,
    json_extract(report, '$.num_parameters') as num_parameters,
    json_extract(report, '$.best_step') as best_step,
    json_extract(report, '$.best_validation_loss') as best_validation_loss,
    json_extract(report, '$.wall_seconds') as wall_seconds,
    json_extract(report, '$.peak_bytes') as peak_bytes
from run""",
    """create view datasets as            -- one row a split
select d.key, d.name, s.key as split, json_extract(s.value, '$.rows') as num_rows,
    json_extract(s.value, '$.digest') as digest, d.dropped, d.folder
from dataset d
join json_each(d.splits) s""",
    """create view behavioral_metrics as  -- one row a sample and number
select coalesce(r.label, 'base') as label, s.subject, s.evaluator, s.measure, s.sample, s.cluster, s.name, s.value
from sample_scores s
left join run r on r.key = s.subject""",
    """create view model_responses as     -- what was asked and what was said
select coalesce(r.label, 'base') as label, a.subject, a.answers_key, a.sample, s.messages as prompt, a.text as response,
    a.num_prompt_tokens, a.num_tokens, a.finish, t.decoding
from answer a
join answer_set t on t.subject = a.subject and t.answers_key = a.answers_key
left join sample s on s.id = a.sample
left join run r on r.key = a.subject""",
    """create view evaluation_summary as  -- one row a score, with the base's beside it
select r.label, s.subject, s.evaluator, s.measure, s.name, s.value, b.value as base_value, s.unit, s.higher_is_better,
    e.seconds, e.counts
from score s
join evaluation e on e.subject = s.subject and e.measure = s.measure
left join run r on r.key = s.subject
left join score b on b.subject = r.base and b.measure = s.measure and b.name = s.name""",
)
