"""What a report asks about results, as SQL: who took part, what was scored, how training went, what was answered.

Every question gives plain columns. `:group` is the group; the other parameters are those of conf/task/report.yaml.
"""

# none for a comparison by an older release, whose labels of arms cannot be found among the runs
COMPARED_ARMS = """
select label as arm from comparative_analysis where group_name = :group and section = 'arms'"""

OVERVIEW = """
select count(*) filter (where trained) as num_runs,
    count(*) filter (where trained and status = 'done') as num_done,
    count(*) filter (where trained and status = 'failed') as num_failed,
    count(*) filter (where trained and status not in ('done', 'failed')) as num_unfinished,
    count(distinct arm) filter (where trained) as num_arms,
    count(*) filter (where not trained) as num_bases,
    count(distinct seed) as num_seeds,
    (select count(distinct evaluator) from group_scores where group_name = :group) as num_evaluators,
    (select count(distinct metric) from group_scores where group_name = :group) as num_metrics,
    (select count(*) from answer where subject in (
        select subject from group_subjects where group_name = :group)) as num_answers
from group_subjects where group_name = :group"""

RUNS = """
select g.arm, g.seed, g.subject as run, g.status, g.model, r.data, r.error, r.started, r.finished,
    json_extract(r.report, '$.num_steps') as num_steps,
    json_extract(r.report, '$.best_step') as best_step,
    json_extract(r.report, '$.best_validation_loss') as best_validation_loss,
    json_extract(r.report, '$.num_trainable_parameters') as num_trainable_parameters
from group_subjects g
left join run r on r.key = g.subject
where g.group_name = :group and g.trained
order by g.status = 'done', g.arm, g.seed"""

DECISIONS = """
select label, outcome, refused, declared_beforehand, declaration, c.value as condition
from recommendations
left join json_each(conditions) c
where group_name = :group
order by position, c.key"""

# a test of an arm against its base, with the direction of its metric; the first one is what a report rests on
_AGAINST_BASE = """
    select t.*, t.evaluator || '/' || t.metric as whole_metric, s.unit, s.higher_is_better,
        case when s.higher_is_better then t.difference else -t.difference end as gain
    from statistical_tests t
    left join (select evaluator, name, max(unit) as unit, max(higher_is_better) as higher_is_better
        from group_scores where group_name = :group group by evaluator, name) s
        on s.evaluator = t.evaluator and s.name = t.metric
    where t.group_name = :group and t.kind = 'arms'
        and t.reference in (select arm from group_subjects where group_name = :group and not trained)"""

BEST = f"""
with tested as ({_AGAINST_BASE})
select candidate as arm, reference, whole_metric as metric, unit, higher_is_better, reference_value, candidate_value,
    difference, low, high, 100 * confidence as confidence_percent, p_value, p_adjusted, num_pairs, num_seeds,
    is_primary, verdict
from tested
where (evaluator, metric) = (select evaluator, metric from tested order by is_primary desc, position limit 1)
order by verdict = 'better' desc, gain desc, candidate
limit 1"""

# all arms from the best down, bases first: the order in which charts show them
ARMS = f"""
with tested as ({_AGAINST_BASE}), first as (
    select candidate as arm, max(gain) as gain from tested
    where (evaluator, metric) = (select evaluator, metric from tested order by is_primary desc, position limit 1)
    group by candidate
)
select g.arm, min(g.trained) as trained
from group_subjects g
left join first f on f.arm = g.arm
where g.group_name = :group
group by g.arm
order by min(g.trained), max(f.gain) desc nulls last, g.arm"""

VERDICTS = f"""
with tested as ({_AGAINST_BASE})
select whole_metric as metric, max(is_primary) as is_primary, count(*) as num_arms,
    count(*) filter (where verdict = 'better') as num_better,
    count(*) filter (where verdict = 'worse') as num_worse,
    count(*) filter (where verdict = 'same') as num_same,
    count(*) filter (where verdict not in ('better', 'worse', 'same')) as num_unclear
from tested
group by whole_metric
order by max(is_primary) desc, min(position)"""

DIFFERENCES = """
select t.evaluator || '/' || t.metric as metric, t.reference, t.candidate as arm, t.reference_value, t.candidate_value,
    t.difference, t.low, t.high, 100 * t.confidence as confidence_percent, t.p_value, t.p_adjusted, t.effect_name,
    t.effect, t.num_pairs, t.num_seeds, t.is_primary, t.verdict, s.unit, s.higher_is_better
from statistical_tests t
left join (select evaluator, name, max(unit) as unit, max(higher_is_better) as higher_is_better
    from group_scores where group_name = :group group by evaluator, name) s
    on s.evaluator = t.evaluator and s.name = t.metric
where t.group_name = :group and t.kind = 'arms'
order by t.is_primary desc, t.position"""

KNOBS = """
select knob, evaluator || '/' || metric as metric, reference, candidate, difference, low, high, p_adjusted, num_seeds,
    verdict
from statistical_tests
where group_name = :group and kind = 'knob'
order by position"""

SCORES = """
select arm, metric, avg(value) as value, min(value) as least, max(value) as most, count(value) as num_seeds,
    count(*) - count(value) as num_unscored, max(unit) as unit, max(higher_is_better) as higher_is_better, measure
from group_scores
where group_name = :group
group by arm, metric, measure
order by max(trained), arm, metric"""

RANKING = """
select label as arm, json_extract(found, '$.rank') as rank, json_extract(found, '$.score') as score
from comparative_analysis
where group_name = :group and section = 'ranking'
order by position"""

STRENGTHS = """
select json_extract(found, '$.evaluator') as evaluator, label as arm, json_extract(found, '$.strength') as strength,
    json_extract(found, '$.low') as low, json_extract(found, '$.high') as high,
    json_extract(found, '$.num_pairs') as num_pairs
from comparative_analysis
where group_name = :group and section = 'strengths'
order by position"""

TRAININGS = """
select label as arm, json_extract(found, '$.num_seeds') as num_seeds,
    json_extract(found, '$.best_validation_loss') as best_validation_loss,
    json_extract(found, '$.loss_low') as low, json_extract(found, '$.loss_high') as high,
    json_extract(found, '$.target_loss') as target_loss, json_extract(found, '$.num_reached') as num_reached,
    json_extract(found, '$.steps_to_target') as steps_to_target,
    json_extract(found, '$.seconds_to_target') as seconds_to_target,
    json_extract(found, '$.wall_seconds') as wall_seconds,
    json_extract(found, '$.tokens_per_second') as tokens_per_second,
    json_extract(found, '$.peak_bytes') as peak_bytes, json_extract(found, '$.adapter_bytes') as adapter_bytes,
    json_extract(found, '$.num_trainable_parameters') as num_trainable_parameters
from comparative_analysis
where group_name = :group and section = 'trainings'
order by position"""

# at most :points of each curve, evenly, the last one always among them
_CURVES = """
with numbered as (
    select g.arm, g.seed, t.name as curve, t.step, t.value,
        row_number() over (partition by t.run, t.name order by t.step desc) - 1 as place,
        count(*) over (partition by t.run, t.name) as num
    from group_subjects g
    join training_metric t on t.run = g.subject
    where g.group_name = :group and t.value is not null and ({which})
)
select curve, arm, seed, step, value
from numbered
where place % ((num - 1) / :points + 1) = 0
order by curve desc, arm, seed, step"""
CURVES = _CURVES.format(which="t.name in ('train/loss', 'validation/loss')")
# what an optimizer tells of itself, but for one curve a layer
METHOD_CURVES = _CURVES.format(which="t.name not glob 'train/*' and t.name not glob 'validation/*' "
                               "and length(t.name) - length(replace(t.name, '/', '')) = 1")  # fmt: skip

CHECKPOINTS = """
select s.evaluator || '/' || s.name as metric, g.arm, g.seed,
    cast(substr(s.subject, length(g.subject) + 6) as integer) as step, s.value, s.unit
from group_subjects g
join score s on s.subject glob g.subject || '-step*'
where g.group_name = :group and g.trained and s.value is not null
union all
select s.metric, s.arm, s.seed, json_extract(r.report, '$.best_step'), s.value, s.unit
from group_scores s
join run r on r.key = s.subject
where s.group_name = :group and s.value is not null and s.measure in (
    select c.measure from score c where c.subject glob s.subject || '-step*')
order by metric, arm, seed, step"""

LAYERS = """
select e.evaluator, g.arm, g.seed, json_extract(l.value, '$.layer') as layer,
    json_extract(l.value, '$.delta_squared') as delta_squared, json_extract(l.value, '$.low') as low,
    json_extract(l.value, '$.high') as high, json_extract(l.value, '$.aqi') as aqi,
    json_extract(l.value, '$.probe_auroc') as probe_auroc, json_extract(l.value, '$.p_value') as p_value
from group_subjects g
join evaluation e on e.subject = g.subject
join json_each(e.counts, '$.layers') l
where g.group_name = :group
order by e.evaluator, g.trained, g.arm, g.seed, layer"""

SPECTRA = """
select g.arm, g.seed, t.name as file, json_extract(l.value, '$.layer') as layer,
    json_extract(l.value, '$.rank') as rank, json_extract(l.value, '$.effective_rank') as effective_rank,
    json_extract(l.value, '$.condition_h') as condition_h, json_extract(l.value, '$.condition_e') as condition_e
from group_subjects g
join run_table t on t.run = g.subject
join json_each(t.rows) l
where g.group_name = :group and json_extract(l.value, '$.effective_rank') is not null
order by g.arm, g.seed, l.key"""

# shares of Σσ², largest first, the mean over the layers that have so many directions
SPECTRUM = """
with squared as (
    select g.arm, g.seed, l.key as layer, s.key + 1 as direction, s.value * s.value as square,
        sum(s.value * s.value) over (partition by g.subject, t.name, l.key) as whole
    from group_subjects g
    join run_table t on t.run = g.subject
    join json_each(t.rows) l
    join json_each(l.value, '$.sigma') s
    where g.group_name = :group
)
select arm, seed, direction, avg(square / whole) as share, count(*) as num_layers
from squared
where whole > 0
group by arm, seed, direction
order by arm, seed, direction"""

STAGES = """
select e.evaluator, g.arm, s.key as stage, sum(s.value) as num_answers
from group_subjects g
join evaluation e on e.subject = g.subject
join json_each(e.counts, '$.stages') s
where g.group_name = :group and e.measure in (
    select j.value from member m join json_each(m.measures) j where m.group_name = :group)
group by e.evaluator, g.arm, s.key
order by e.evaluator, max(g.trained), g.arm, num_answers desc"""

FAILURES = """
select g.arm, s.key as failure, sum(s.value) as num_answers
from group_subjects g
join evaluation e on e.subject = g.subject
join json_each(e.counts, '$.failures') s
where g.group_name = :group and e.measure in (
    select j.value from member m join json_each(m.measures) j where m.group_name = :group)
group by g.arm, s.key
order by num_answers desc, g.arm, failure"""

# every figure with an interval that a judge's evaluation tells beside its scores: agreement, wordings, positions
JUDGES = """
select e.evaluator, g.arm, g.seed,
    trim(replace(replace(substr(j.fullkey, 3), '"', ''), '.', ', '), ', ') as what, json_extract(j.value, '$.value')
    as value, json_extract(j.value, '$.low') as low, json_extract(j.value, '$.high') as high
from group_subjects g
join evaluation e on e.subject = g.subject
join json_tree(e.counts) j
where g.group_name = :group and json_type(e.counts, '$.judges') is not null and j.type = 'object'
    and json_type(j.value, '$.value') in ('real', 'integer') and json_type(j.value, '$.low') is not null
order by e.evaluator, g.arm, g.seed, j.id"""

PROMPTS = """
with placed as (
    select a.answers_key, a.sample, min(a.rowid) as first
    from answer a
    where a.subject in (select subject from group_subjects where group_name = :group)
    group by a.answers_key, a.sample
), numbered as (
    select *, row_number() over (partition by answers_key order by first) as place from placed
)
select n.answers_key, n.sample, substr(coalesce(s.text, (
        select group_concat(json_extract(m.value, '$.role') || ': ' || json_extract(m.value, '$.content'),
            char(10) || char(10))
        from json_each(s.messages) m
        where not (json_extract(m.value, '$.role') = 'assistant' and m.key = json_array_length(s.messages) - 1)
    )), 1, :max_characters) as prompt, substr((
        select json_extract(m.value, '$.content') from json_each(s.messages) m
        where json_extract(m.value, '$.role') = 'assistant' and m.key = json_array_length(s.messages) - 1
    ), 1, :max_characters) as due
from numbered n
left join sample s on s.id = n.sample
where n.place <= :max_samples
order by n.answers_key, n.place"""

# of each arm the run of its lowest seed
ANSWERS = """
with shown as (
    select subject, arm, seed, trained, row_number() over (partition by arm order by seed, subject) as place
    from group_subjects
    where group_name = :group and subject in (select subject from answer_set)
), placed as (
    select a.answers_key, a.sample, row_number() over (partition by a.answers_key order by min(a.rowid)) as place
    from answer a
    where a.subject in (select subject from group_subjects where group_name = :group)
    group by a.answers_key, a.sample
)
select a.answers_key, a.sample, g.arm, g.seed, substr(a.text, 1, :max_characters) as text,
    length(a.text) as num_characters, a.finish
from shown g
join answer a on a.subject = g.subject
join placed p on p.answers_key = a.answers_key and p.sample = a.sample and p.place <= :max_samples
where g.place = 1
order by a.answers_key, p.place, g.trained, g.arm"""
