"""The fifth migration: where results come from, tables that a training leaves, and a group's subjects and measures."""

GROUPS = (
    "alter table run add column made text",
    "alter table evaluation add column made text",
    "alter table recommendations add column refused integer",
    """create table run_table (           -- tables that a training left in its folder, a file each
    run text not null,
    name text not null,              -- of the file, without .json
    rows text not null,              -- JSON: a list of objects
    primary key (run, name)
) without rowid""",
    """create view group_subjects as      -- the runs of a group and their bases, under the names that comparisons use
with own as (
    select group_name, run, model, label from member where run != base
    union select r.group_name, r.key, r.model, r.label from run r where r.group_name != ''
        and not exists (select 1 from member where group_name = r.group_name and run = r.key)
), based as (
    select group_name, base, model from member
    union select group_name, base, model from run where group_name != ''
), named as (
    select a.group_name, j.value as subject, a.label
    from comparative_analysis a join json_each(a.found, '$.runs') j where a.section = 'arms'
)
select o.group_name, o.run as subject, coalesce(n.label, o.label) as arm, r.seed, 1 as trained,
    coalesce(r.status, 'done') as status, o.model, r.base
from own o
left join run r on r.key = o.run
left join named n on n.group_name = o.group_name and n.subject = o.run
union all
select b.group_name, b.base, coalesce(n.label, 'base'), null, 0, 'done', b.model, b.base
from based b
left join named n on n.group_name = b.group_name and n.subject = b.base""",
    """create view group_scores as        -- scores of a group's subjects under the measures that its members name
select g.group_name, g.arm, g.seed, g.trained, s.subject, s.evaluator, s.name, s.evaluator || '/' || s.name as metric,
    s.value, s.unit, s.higher_is_better, s.measure
from group_subjects g
join score s on s.subject = g.subject
where s.measure in (
    select j.value from member m join json_each(m.measures) j where m.group_name = g.group_name
)""",
    # folders that were read before know none of this: they are read again when they are next met
    "delete from indexed_folder",
)
