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
-- ORDER BY calls a column by the name that it has without AS.
create table ordered (id int, r float8)
insert into ordered values (1, 5), (2, null), (3, 4), (10, 1)
select case when id = 1 then 9 else id end from ordered order by id
select coalesce(r, 0) from ordered order by coalesce
select max(r), id from ordered group by id order by max desc nulls last
select count(*), id > 1 as big from ordered group by 2 order by count desc
select sum(id) from ordered group by r order by sum
select -id from ordered order by id
select id::text from ordered order by id
select cast(id as text), count(*) from ordered group by id order by id
select abs(r) from ordered order by r
select upper(id::text) from ordered order by upper
select upper(id::text), ordered.* from ordered order by upper
select row_number() over (order by id desc), id from ordered order by row_number
select date_trunc('day', timestamp '2020-01-01' + id * interval '1 day') from ordered order by date_trunc desc
select case when r is null then 'a' else 'b' end, id from ordered order by "case", id
select id * 2 as id from ordered order by -id
select (id) from ordered order by id
select count(*) from ordered union all select 7 order by count
select max(id) from ordered where id < 3 union select max(id) from ordered order by max desc
select * from (select max(r), id from ordered group by id order by max limit 2) t order by id
with x as (select sum(id), r from ordered group by r order by sum limit 2) select sum from x order by sum
select min(id), min(r) from ordered order by min  -- differs: of two columns of one name PostgreSQL takes neither
-- GROUP BY may call a column so as well, where nothing that is read has the name.
select date_trunc('day', timestamp '2020-01-01' + id * interval '1 day'), count(*) from ordered group by date_trunc order by 1
select upper(id::text), count(*) from ordered group by upper order by upper desc
select id % 2 as odd, count(*) from ordered group by odd order by odd
select abs(id - 2), count(*) from ordered group by abs having count(*) > 1
select upper(id::text) from ordered group by lower
