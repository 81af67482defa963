"""What a report asks about use, as SQL: costs and what they buy, backends for loads, and where all comes from.

Prices, loads and uses are parameters (conf/task/report.yaml); a price that is not known is null, and so is all that
would follow from it.
"""

_PRICED = """
    select g.arm, g.seed, g.subject as run, json_extract(r.made, '$.hardware') as hardware,
        c.training_seconds, c.evaluation_seconds, c.training_tokens, c.tokens_per_second, c.answer_tokens,
        c.peak_bytes, c.adapter_bytes, c.judging_money,
        (select json_extract(p.value, '$.price') from json_each(:machine_hours) p
            where json_extract(r.made, '$.hardware') glob json_extract(p.value, '$.machine') limit 1) as hour_price
    from group_subjects g
    join run r on r.key = g.subject
    join (select distinct run, training_seconds, evaluation_seconds, training_tokens, tokens_per_second,
            answer_tokens, peak_bytes, adapter_bytes, judging_money from cost_analysis) c on c.run = g.subject
    where g.group_name = :group and g.trained"""

# the metrics that a report rests on: the declared primary ones, else the first that was compared
_RESTS = """
    select distinct evaluator || '/' || metric as metric
    from statistical_tests
    where group_name = :group and kind = 'arms' and (is_primary or (
        position = (select min(position) from statistical_tests where group_name = :group and kind = 'arms')
        and not exists (select 1 from statistical_tests where group_name = :group and kind = 'arms' and is_primary)))"""

COSTS = f"""
with priced as ({_PRICED})
select arm, seed, run, hardware, training_seconds, evaluation_seconds, training_tokens, tokens_per_second,
    peak_bytes, adapter_bytes, hour_price, training_seconds / 3600 * hour_price as training_money,
    evaluation_seconds / 3600 * hour_price as evaluation_money, judging_money
from priced
order by arm, seed"""

# quality against cost, arm by arm; the quality is the metric that the comparison rests on
PARETO = f"""
with priced as ({_PRICED}), quality as (
    select evaluator || '/' || metric as metric from statistical_tests
    where group_name = :group and kind = 'arms' order by is_primary desc, position limit 1
), scored as (
    select arm, metric, avg(value) as quality, max(unit) as unit, max(higher_is_better) as higher_is_better
    from group_scores where group_name = :group and metric = (select metric from quality) group by arm, metric
), cost as (
    select arm, avg(training_seconds) as training_seconds, avg(peak_bytes) as peak_bytes,
        avg(adapter_bytes) as adapter_bytes
    from priced group by arm
)
select s.arm, s.metric, s.quality, s.unit, s.higher_is_better, c.training_seconds, c.peak_bytes, c.adapter_bytes,
    not exists (
        select 1 from scored o join cost d on d.arm = o.arm
        where d.training_seconds <= c.training_seconds
            and case when s.higher_is_better then o.quality >= s.quality else o.quality <= s.quality end
            and (d.training_seconds < c.training_seconds or o.quality != s.quality)
    ) as on_front
from scored s
join cost c on c.arm = s.arm
where c.training_seconds is not null and s.quality is not null
order by c.training_seconds"""

# points: percentage points of a share, else units of the metric; a difference that chance alone may make buys nothing.
# Money is that of one run, the mean over seeds.
RETURNS = f"""
with priced as ({_PRICED}), rests as ({_RESTS}), cost as (
    select arm, avg(training_seconds) as training_seconds, avg(training_seconds / 3600 * hour_price) as training_money
    from priced group by arm
), rate as (
    select g.arm, sum(a.num_tokens) * 1.0 / count(*) as tokens_per_answer
    from group_subjects g join answer a on a.subject = g.subject where g.group_name = :group group by g.arm
), gained as (
    select t.candidate as arm, t.evaluator || '/' || t.metric as metric, t.verdict, t.is_primary, t.position,
        case when s.unit = 'share' then 100 else 1 end
            * case when s.higher_is_better then t.difference else -t.difference end as points
    from statistical_tests t
    left join (select metric, max(unit) as unit, max(higher_is_better) as higher_is_better
        from group_scores where group_name = :group group by metric) s on s.metric = t.evaluator || '/' || t.metric
    where t.group_name = :group and t.kind = 'arms'
        and t.reference in (select arm from group_subjects where group_name = :group and not trained)
        and t.evaluator || '/' || t.metric in (select metric from rests)
)
select g.arm, g.metric, g.verdict, g.points, c.training_seconds, c.training_money,
    case when g.verdict = 'better' then c.training_seconds / g.points end as seconds_per_point,
    case when g.verdict = 'better' then c.training_money / g.points end as money_per_point,
    case when g.verdict in ('better', 'worse') then g.points * :value_per_point end as value_gained,
    case when g.verdict in ('better', 'worse') then g.points * :value_per_point - c.training_money end
        as gain_over_base,
    r.tokens_per_answer, b.tokens_per_answer as base_tokens_per_answer,
    case when b.tokens_per_answer > r.tokens_per_answer then c.training_money
        / ((b.tokens_per_answer - r.tokens_per_answer) / 1e6 * :million_tokens) end as answers_until_paid
from gained g
left join cost c on c.arm = g.arm
left join rate r on r.arm = g.arm
left join rate b on b.arm = (select arm from group_subjects where group_name = :group and not trained limit 1)
order by g.is_primary desc, g.metric, g.points desc, g.arm"""

# every use with its metrics, and who is first by each; differences are those to the base
USES = f"""
with rests as ({_RESTS}), asked as (
    select u.key as place, json_extract(u.value, '$.name') as use, m.value as pattern
    from json_each(:uses) u join json_each(u.value, '$.metrics') m
), value as (
    select arm, max(trained) as trained, metric, avg(value) as value, max(unit) as unit,
        max(higher_is_better) as higher_is_better
    from group_scores where group_name = :group group by arm, metric having count(value) = count(*)
    union all
    select g.arm, 1, 'training/' || j.key, avg(j.value) / case j.key when 'wall_seconds' then 1 else 1e6 end,
        case j.key when 'wall_seconds' then 's' else 'MB' end, 0
    from group_subjects g join run r on r.key = g.subject join json_each(r.report) j
    where g.group_name = :group and j.key in ('wall_seconds', 'peak_bytes', 'adapter_bytes') and j.type != 'null'
    group by g.arm, j.key
), of_use as (
    select distinct a.place, a.use, v.*
    from asked a
    join value v on v.metric glob a.pattern or (a.pattern = 'primary' and v.metric in (select metric from rests))
), ranked as (
    select *, rank() over (partition by place, metric
        order by case when higher_is_better then -value else value end) as rank
    from of_use where metric not glob 'training/*' or trained
), named as (
    select *, count(*) over (partition by place, metric) as num_first,
        row_number() over (partition by place, metric order by trained, arm) as row_first
    from ranked where rank = 1
)
select r.use, r.metric, r.arm, r.num_first, r.value, r.unit, t.difference, t.low, t.high, t.verdict
from named r
left join statistical_tests t on t.group_name = :group and t.kind = 'arms' and t.candidate = r.arm
    and t.evaluator || '/' || t.metric = r.metric
    and t.reference in (select arm from group_subjects where group_name = :group and not trained)
where r.row_first <= 3
order by r.place, r.metric, r.row_first"""

_SERVED = """
    select g.arm, s.evaluator as backend, s.measure, json_extract(max(e.counts), '$.of_machine') as machine,
        json_extract(max(e.counts), '$.at_once') as at_once,
        max(s.value) filter (where s.name = 'first_token') as first_token_ms,
        max(s.value) filter (where s.name = 'tokens_per_second') as tokens_per_second,
        max(s.value) filter (where s.name = 'requests_per_second') as requests_per_second,
        max(s.value) filter (where s.name = 'same_text') as same_text,
        json_extract(max(e.counts), '$.peak_bytes') as peak_bytes,
        json_extract(max(e.counts), '$.prompts') as num_prompts
    from group_subjects g
    join score s on s.subject = g.subject
    join evaluation e on e.subject = s.subject and e.measure = s.measure
    where g.group_name = :group and json_extract(e.counts, '$.of_machine') is not null
    group by g.arm, g.subject, s.evaluator, s.measure"""

SERVED = f"""
with served as ({_SERVED})
select * from served order by machine, arm, tokens_per_second desc"""

# how many copies of a backend carry a load, and which backend needs the fewest within the time allowed
LOADS = f"""
with served as ({_SERVED}), carried as (
    select json_extract(l.value, '$.name') as load, l.key as place,
        json_extract(l.value, '$.requests_per_second') as wanted_requests_per_second,
        json_extract(l.value, '$.first_token_ms') as wanted_first_token_ms, s.*,
        cast(json_extract(l.value, '$.requests_per_second') / s.requests_per_second as integer)
            + (json_extract(l.value, '$.requests_per_second') / s.requests_per_second
                > cast(json_extract(l.value, '$.requests_per_second') / s.requests_per_second as integer)) as copies,
        s.first_token_ms <= json_extract(l.value, '$.first_token_ms') as in_time
    from json_each(:loads) l
    join served s on s.requests_per_second > 0
)
select load, backend, arm, machine, wanted_requests_per_second, wanted_first_token_ms, requests_per_second,
    first_token_ms, copies, in_time, copies * :serving_hour as money_per_hour,
    row_number() over (partition by place order by in_time desc, copies, first_token_ms) = 1 as advised
from carried
order by place, in_time desc, copies, first_token_ms"""

# limits for alarms: what was measured, with the slack that the config allows; scores alarm at what the base reached
MONITORING = f"""
with served as ({_SERVED}), rests as ({_RESTS})
select arm, backend as what, 'first token, ms' as figure, 'above' as side, first_token_ms as measured,
    first_token_ms * :slack as alarm
from served where first_token_ms is not null
union all
select arm, backend, 'tokens per second', 'below', tokens_per_second, tokens_per_second / :slack
from served where tokens_per_second is not null
union all
select t.candidate, t.evaluator, t.metric,
    case when t.candidate_value > t.reference_value then 'below' else 'above' end, t.candidate_value, t.reference_value
from statistical_tests t
where t.group_name = :group and t.kind = 'arms' and t.verdict = 'better'
    and t.reference in (select arm from group_subjects where group_name = :group and not trained)
    and t.evaluator || '/' || t.metric in (select metric from rests)
order by 1, 2, 3"""

CAVEATS = """
select c.value as caveat, count(*) as num_comparisons
from statistical_tests t join json_each(t.caveats) c
where t.group_name = :group
group by c.value
order by num_comparisons desc, caveat"""

LEFT_OUT = """
select label as sentence from comparative_analysis
where group_name = :group and section = 'left_out'
order by position"""

OPEN = """
select evaluator || '/' || metric as metric, reference, candidate as arm, difference, low, high, num_pairs, num_seeds
from statistical_tests
where group_name = :group and kind = 'arms' and verdict not in ('better', 'worse', 'same')
order by is_primary desc, position"""

ORIGINS = """
select g.arm, g.seed, g.subject as run, json_extract(r.made, '$.commit') as commit_id,
    json_extract(r.made, '$.dirty') as dirty, json_extract(r.made, '$.time') as made,
    json_extract(r.made, '$.hardware') as hardware, json_extract(r.made, '$.python') as python,
    (select group_concat(p.key || ' ' || p.value, ', ') from json_each(r.made, '$.packages') p) as packages,
    r.data_key
from group_subjects g
join run r on r.key = g.subject
where g.group_name = :group
order by g.arm, g.seed"""

MEASURES = """
select e.evaluator, e.measure, count(distinct e.subject) as num_subjects,
    (select count(*) from measure_sample where measure = e.measure) as num_samples,
    sum(e.seconds) as seconds
from evaluation e
where e.subject in (select subject from group_subjects where group_name = :group)
group by e.evaluator, e.measure
order by e.evaluator, e.measure"""

DATASETS = """
select name, key, split, num_rows, digest
from datasets
where key in (select data_key from run where key in (
    select subject from group_subjects where group_name = :group and trained))
order by name, key, split"""

PLACES = """
select r.folder, d.folder as data_folder, coalesce(d.name, r.data) as data
from run r
left join dataset d on d.key = r.data_key
where r.key = :run"""
