"""The fourth migration: separation, hidden states, speed and cost, as views under the names that people ask for."""

# what every score has beside it; a checkpoint or an arm without a run has its key for a label
_WHO = """coalesce(r.label, case when s.subject like 'base-%' then 'base' else s.subject end) as label, r.seed,
    s.subject, s.evaluator, s.measure"""
_JOINED = """from score s
join evaluation e on e.subject = s.subject and e.measure = s.measure
left join run r on r.key = s.subject"""

FOUND = (
    f"""create view aqi_scores as          -- how far safe and unsafe prompts lie apart, with the base's value beside it
select {_WHO}, s.name, s.value, b.value as base_value, s.higher_is_better, e.reference,
    json_extract(e.counts, '$.layer') as layer, json_extract(e.counts, '$.pooling') as pooling,
    json_extract(e.counts, '$.p_value') as p_value, json_extract(e.counts, '$.permutations') as permutations
{_JOINED}
left join score b on b.subject = r.base and b.measure = s.measure and b.name = s.name
where s.evaluator glob 'aqi*'""",
    """create view hidden_states as       -- one row a layer of states that were kept; the file is below outputs/
select coalesce(r.label, case when e.subject like 'base-%' then 'base' else e.subject end) as label, r.seed, e.subject,
    e.evaluator, e.measure, e.folder || '/' || f.value as file, json_extract(e.counts, '$.pooling') as pooling,
    json_extract(l.value, '$.layer') as layer, json_extract(l.value, '$.delta_squared') as delta_squared,
    json_extract(l.value, '$.low') as low, json_extract(l.value, '$.high') as high,
    json_extract(l.value, '$.p_value') as p_value, json_extract(l.value, '$.aqi') as aqi,
    json_extract(l.value, '$.probe_auroc') as probe_auroc
from evaluation e
join json_each(e.files) f on f.value glob '*.safetensors'
left join json_each(e.counts, '$.layers') l
left join run r on r.key = e.subject""",
    f"""create view inference_benchmarks as -- what was timed on a machine; compare rows of one measure only
select {_WHO}, s.name, s.value, s.unit, json_extract(e.counts, '$.prompts') as num_prompts,
    json_extract(e.counts, '$.peak_bytes') as peak_bytes, json_extract(e.counts, '$.load_before') as load_before,
    json_extract(e.counts, '$.of_machine') as machine
{_JOINED}
where json_extract(e.counts, '$.of_machine') is not null""",
    """create view cost_analysis as       -- what a run has cost: seconds, bytes, and money where a judge told its price
select r.group_name, r.key as run, r.label, r.seed, r.status,
    json_extract(r.report, '$.wall_seconds') as training_seconds,
    (select sum(a.seconds) from answer_set a where a.subject = r.key) as answering_seconds,
    (select sum(e.seconds) from evaluation e where e.subject = r.key) as evaluation_seconds,
    json_extract(r.report, '$.num_input_tokens') as training_tokens,
    json_extract(r.report, '$.num_input_tokens') / json_extract(r.report, '$.wall_seconds') as tokens_per_second,
    (select sum(a.num_prompt_tokens) from answer a where a.subject = r.key) as prompt_tokens,
    (select sum(a.num_tokens) from answer a where a.subject = r.key) as answer_tokens,
    json_extract(r.report, '$.peak_bytes') as peak_bytes,
    json_extract(r.report, '$.adapter_bytes') as adapter_bytes,
    json_extract(r.report, '$.num_trainable_parameters') as num_trainable_parameters,
    (select sum(j.value) from evaluation e join json_tree(e.counts) j on j.key = 'money'
        where e.subject = r.key and j.type in ('integer', 'real')) as judging_money
from run r""",
)
