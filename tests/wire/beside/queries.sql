create temp table exams (id int, eye text, k float8)
create temp table visits (exam int, day date, note text)
insert into exams values (1, 'OD', 43.5), (2, 'OS', 44), (3, 'OD', null)
insert into visits values (1, '2024-01-01', 'a'), (1, '2024-02-01', 'b'), (2, '2024-03-01', 'c')
select e.id, (select v.note from visits v where v.exam = e.id order by v.day desc limit 1) from exams e order by e.id
select e.id, (select v.note from visits v where v.exam = e.id and v.day > '2024-01-15') from exams e order by e.id
select e.id, (select v.note from visits v where v.exam = e.id) from exams e where e.id <> 1 order by e.id
select e.id, (select v.note from visits v where v.exam = e.id) from exams e order by e.id
select e.id from exams e where (select v.note from visits v where v.exam = e.id and v.day > '2024-01-15') = 'c'
select e.id, (select v.day from visits v where v.exam = e.id and v.note <> 'a') + 1 as next from exams e order by 1
select e.id, exists (select 1 from visits v where v.exam = e.id limit 1) from exams e order by e.id
select e.id, not exists (select 1 from visits v where v.exam = e.id order by v.day limit 5) as none from exams e order by e.id
select n, (select x from (values (1, 5), (2, 6), (1, 3)) v (k, x) where v.k = t.n order by x limit 1) from (values (1), (2), (3)) t (n) order by n
select 0, 0 union all select 1, 2 order by 1
select null, null union all select 1, 2 order by 1
select * from (select 1, 1) x
with t as (select 1 as a, 2 as a) select 1 from t
select a from (select 1 as a, 2 as a) t -- differs: the code is 42703
select cast(x as text), x, count(*) from (values (1), (1)) t (x) group by 1, 2 -- differs: the engine takes two keys for one that differ by a cast only
select t.x, t.x, count(*) over () from (values (1), (2)) t (x) order by x
select t.x, 3 as x from (values (1), (2)) t (x) order by t.x desc
select a.x + 1 as x, a.* from (values (1), (2)) a (x) order by a.x
select upper(r.x) as x from (values ('b'), ('a')) r (x) order by r.x
select -r.x as x from (values (1), (2)) r (x) order by x
select -r.x as x from (values (1), (2)) r (x) order by r.x
select x, t.* from (values (2, 'b'), (1, 'a')) t (x, y) order by x
select interval '1 day' * 2, 2 * interval '1 day', interval '1 day' / 2
select 'abc' similar to 'a%', 'abc' similar to '%(b|d)%', 'abc' similar to '(b|c)%', 'abc' not similar to 'a', 'a.c' similar to 'a.c', 'abc' similar to 'a.c'
select 'a%' similar to 'a\%', 'ab' similar to 'a\%', 'a%' similar to 'a!%' escape '!', null similar to 'a'
select nope from exams
select e.nope from exams e
select id, nope(id) from exams -- differs: the types of the arguments are not named
select x.id from exams
select 1 from nowhere
select 1 from nowhere.at_all
select id from exams join exams as other on true
select 1 as x, 2 as y union all select 5, x from (select 3 as x) n order by 1
select 1 as x union select x from (select 3 as x) n intersect select 3 order by x
with u as (select 1 as x, 2 as y union all select 5, x from (select 3 as x) n) select x, y from u order by y
select (select count(*) from pg_catalog.pg_trigger), pg_typeof((select count(*) from pg_catalog.pg_trigger))
select mod(7, 3), mod(-7, 3), mod(7 + 1, 3) * 2, variance(x) from (values (1.0::float8), (3.0)) t (x)
select distinct on (n) n, (select count(*) from exams e where e.id = t.n) as found from (values (1), (1), (7)) t (n) order by n
select distinct on (e.eye) e.eye, e.id, exists (select 1 from visits v where v.exam = e.id) as seen from exams e order by e.eye, e.id desc
with x as (select 1 as n) select distinct on (x.n) x.n, (select max(k) from exams e where e.id = x.n) as k from x order by x.n limit 1
