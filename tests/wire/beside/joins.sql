create temp table exams (id int, eye text, k float8)
create temp table visits (exam int, day date, note text)
insert into exams values (1, 'OD', 43.5), (2, 'OS', 44), (3, 'OD', null)
insert into visits values (1, '2024-01-01', 'a'), (1, '2024-02-01', 'b'), (2, '2024-03-01', 'c')
--- All columns of one relation, by its own name.
select exams.* from exams order by id
select exams.*, 1 as one from exams order by exams.id limit 1
select exams.eye, visits.* from exams join visits on visits.exam = exams.id order by visits.day
select count(exams.*), count(exams) from exams
select e.id, count(v), count(v.*) from exams e left join visits v on v.exam = e.id group by e.id order by e.id
select exams from exams order by id -- differs: a row of named columns is shown as json
select (exams).eye from exams order by id limit 1
select exams is not null as there from (select 1 as exams) t
select joins.exams from (select 2 as exams) joins
create table kept (id int, tags text[])
insert into kept values (1, '{a,b}'), (2, '{}'), (3, '{c}')
select kept.* from kept order by id
select kept.id, joins.kept.id from joins.kept order by 1
select id, t from kept, unnest(tags) t order by id, t
--- USING: one column of both sides, before the others.
create temp table zlast (id int, h text)
insert into zlast values (3, 'x'), (4, 'y')
select * from exams full join zlast using (id) order by 1
select id, eye, h from exams full join zlast using (id) order by id
select * from exams left join zlast using (id) order by id
select * from zlast left join exams using (id) order by id
select * from exams right join zlast using (id) order by id
select id from exams right join zlast using (id) order by id
select id, count(*) from exams full join zlast using (id) group by id order by id desc
select id + 1 as next from exams full join zlast using (id) where id > 1 order by next
select * from exams join zlast using (id) join (select 3 as id, 7 as n) q using (id)
select q.n, * from exams join zlast using (id) join (select 3 as id, 7 as n) q using (id)
select * from exams full join zlast using (id) full join (values (4, 'q'), (5, 'r')) q (id, w) using (id) order by id
select exams.id, zlast.id from exams full join zlast using (id) order by coalesce(exams.id, zlast.id)
select * from (select * from zlast right join exams using (id)) s order by id
select * from (values (1, 2)) a (x, y) join (values (1, 2)) b (x, y) using (y, x)
select * from (values (1, 2, 3)) a (x, y, z) join (values (1, 2, 4)) b (x, y, w) using (x) join (values (2, 5)) c (y, v) on c.y = b.y
with w as (select id from exams full join zlast using (id)) select count(id), count(*) from w
--- LATERAL.
select e.id, s.b from exams e, lateral (select e.k + 1 as b) s order by 1
select e.id, s.b from exams e cross join lateral (values (e.k), (e.k + 1)) s (b) order by 1, 2
select e.id, s.* from exams e cross join lateral (values ('flat', e.k), ('steep', e.k + 1)) as s (which, d) where s.d > 43 order by 1, 2
select * from exams e cross join lateral (values ('flat', e.k), ('steep', e.k + 1)) as s (which, d) order by 1, which
select which, avg(d) from exams e cross join lateral (values ('flat', e.k), ('steep', e.k + 1)) as s (which, d) group by which order by which
select e.id, s.b from exams e cross join lateral (select e.k union all select e.k + 2) s (b) order by 1, 2
select x.a, y.b, z.c from (select 1 as a) x join lateral (select x.a + 1 as b) y on true join lateral (select y.b + x.a as c) z on z.c > 0
select e.id, v.note from exams e left join lateral (select note from visits where visits.exam = e.id order by day desc limit 1) v on true order by 1
select e.id, v.note from exams e cross join lateral (select note from visits where visits.exam = e.id order by day limit 2) v order by 1, 2
select e.*, v.* from exams e left join lateral (select day, note from visits where visits.exam = e.id order by day limit 1 offset 1) v on true order by 1
select * from exams e join lateral (select * from visits w where w.exam = e.id order by w.day desc fetch first row only) v on v.note <> 'c' order by 1
select a.day, b.day from visits a left join lateral (select w.day from visits w where w.day < a.day order by w.day desc limit 1) b on true order by 1
select e.id, v.exam, v.n from exams e cross join lateral (select w.exam, count(*) as n from visits w where w.exam <= e.id group by w.exam order by n desc, 1 limit 1) v order by 1
select e.id, v.d from exams e left join lateral (select abs(w.exam - e.id) as d from visits w order by abs(w.exam - e.id), w.day limit 1) v (d) on true order by 1
select g.eye, v.id from (select distinct eye from exams) g left join lateral (select id from exams x where x.eye = g.eye order by k desc nulls last limit 1) v on true order by 1
select e.id, (select max(v.day) from visits v where v.exam = e.id) from exams e where e.id in (select id from exams union all select 9) order by 1
--- Rows beside rows.
select id from exams where (id, eye) = (1, 'OD')
select id from exams where (id, eye) <> (1, 'OD') order by id
select id from exams where (eye, id) < ('OS', 2) order by id
select id from exams where (eye, id) >= ('OD', 3) order by id
select id from exams where (id, eye) in ((1, 'OD'), (2, 'OD'), (3, 'OD')) order by id
select id from exams where (id, eye) not in ((1, 'OD'), (2, 'OD')) order by id
select id from exams where (id, eye) in (select 1, 'OD' union select 2, 'OD')
select id from exams where (id, k) = (3, null)
select (1, null) = (1, 2), (1, null) = (2, null), row(1, 2) = row(1, 2), (1, 2) < (1, 3), (2, null) > (1, 5)
select row(null, null) is null, row(1, null) is null, row(1, null) is not null, row(1, 2) is not null
--- Counted rows.
select x from (values ('a'), ('a'), ('b')) t (x) except all select 'a' order by 1
select x from (values ('a'), ('a'), ('b')) t (x) intersect all select 'a' order by 1
select x, y from (values (1, null), (1, null), (2, 3)) t (x, y) intersect all select x, y from (values (1, null::int), (1, null)) u (x, y) order by 1
(select 1 as n union all select 1) except all select 1 except all select 2
--- Numbered elements.
select * from unnest(array['a', 'b']) with ordinality
select * from unnest(array['a', 'b']) with ordinality as t (x, o) order by o desc
select k.id, t.x, t.o from kept k, unnest(k.tags) with ordinality as t (x, o) order by 1, 3
select k.id, t.x, t.o from kept k left join lateral unnest(k.tags) with ordinality as t (x, o) on true order by 1, 3
select * from generate_series(3, 1, -1) with ordinality
select * from regexp_split_to_table('a b', ' ') with ordinality as t (word, n)
--- Short for others.
table zlast
table zlast order by id desc limit 1
select 'a', E'a', power(2, 3), 2 ^ 3, -2 ^ 2, (-2) ^ 2, - (2 ^ 2)
select substr('hello', 2, 2), substring('hello' from 2 for 2), trim(leading from '  x '), trim(both from ' x '), trim(trailing from ' x') = ' x'
with d as (delete from zlast where id = 3 returning id) select * from d -- differs: not supported in WITH
-- Comparisons with all values of a query.
create table compared (id int, pid int, iop int)
insert into compared values (1,1,15),(2,1,16),(3,2,null),(4,2,22)
select id from compared where iop >= all (select iop from compared where iop is not null) order by id
select id from compared where iop > any (select iop from compared where pid = 1) order by id
select id from compared where iop = any (select iop from compared where pid = 1) order by id
select id from compared where iop <> all (select iop from compared where pid = 1) order by id
select id from compared where iop < all (select iop from compared where pid = 99) order by id
select id from compared where iop < any (select iop from compared where pid = 99) order by id
select id from compared where iop <= some (select iop from compared where pid = 1) order by id
select id from compared where not (iop > all (select iop from compared where pid = 1)) order by id
select id, iop > all (select iop from compared where pid = 2) from compared order by id
select id, iop > any (select iop from compared where pid = 2) from compared order by id
select id, iop = any (select iop from compared where pid = 2) from compared order by id
select id, iop <> all (select iop from compared where pid = 1) from compared order by id
select 5 > all (select 3 union select 4), 5 > any (select 7), 5 = all (select 5), 5 < all (select null::int)
select id from compared v1 where iop > all (select iop from compared v2 where v2.pid = v1.pid and v2.id <> v1.id) order by id
select id from compared v1 where iop > any (select iop from compared v2 where v2.pid = v1.pid) order by id
select id, 16 = any (select iop from compared v2 where v2.pid = v1.pid) from compared v1 order by id
select 'b' > all (select name from (values ('a'), ('aa')) as t (name)), 'b' < any (select 'a' union select 'c')
select 3 >= all (select n from (values (1), (3)) as t (n) order by n limit 1), 3 <> any (select 3 union select 4)
-- The alias of a set of values is the value.
create table lists (id int, j jsonb, tags text[])
insert into lists values (1, '[{"x": 1}, {"x": 2, "y": [3]}]', '{a,b}'), (2, '[]', '{}'), (3, '[7]', '{c}')
select id, e ->> 'x' from lists, jsonb_array_elements(j) as e order by 1, 2
select id, e from lists, jsonb_array_elements(j) e where e @> '{"y": [3]}'
select id, elem -> 'y' -> 0 as first from lists cross join lateral jsonb_array_elements(lists.j) as elem where elem ? 'y'
select e from jsonb_array_elements('[1, "a", null]') e
select e.value, e from jsonb_array_elements('[1, 2]') as e
select id, e from lists, jsonb_array_elements(case when id = 3 then j else '[1]' end) e order by 1
select e::text, count(*) from lists, jsonb_array_elements_text(j) e group by e order by 1
select n from generate_series(1, 2) as n order by n desc
select t from unnest(array['x', 'y']) as t (v) order by t
select k from jsonb_object_keys('{"a": 1, "b": 2}') as k order by k
select x.e from (select e from jsonb_array_elements('[5]') as e) as x
select (select max(e::text::int) from jsonb_array_elements('[5, 6]') as e)
insert into lists (id, j) values (4, '{"b":1,"a" :  2, "a": 3}') returning j
-- Queries as values that depend on the rows around them by more than equal columns.
create table measured (id int, pid int, eye text, iop int, seen date)
insert into measured values (1,1,'OD',15,'2020-01-01'),(2,1,'OD',18,'2020-03-01'),(3,1,'OS',14,'2020-03-01'),(4,2,'OD',22,'2020-02-01'),(5,2,'OD',null,'2021-02-01'),(6,null,'OD',30,'2021-05-01'),(7,1,'OD',12,'2021-01-01')
select id, (select count(*) from measured w where w.pid = v.pid and w.seen < v.seen) from measured v order by id
select id, (select max(w.iop) from measured w where w.pid = v.pid and w.eye = v.eye and w.seen < v.seen) as before from measured v order by id
select id, (select w.iop from measured w where w.pid = v.pid and w.eye = v.eye and w.seen < v.seen order by w.seen desc limit 1) as last from measured v order by id
select id, iop - (select w.iop from measured w where w.pid = v.pid and w.id < v.id order by w.id desc limit 1) as change from measured v order by id
select *, (select coalesce(sum(w.iop), 0) + count(w.iop) from measured w where w.seen > v.seen) as later from measured v order by id
select id from measured v where iop > (select avg(w.iop) from measured w where w.id <> v.id) order by id
select id from measured v where (select count(*) from measured w where w.pid = v.pid and w.seen <= v.seen) = 2 order by id
select id from measured v where iop >= all (select w.iop from measured w where w.pid = v.pid and w.id <> v.id and w.iop is not null) order by id
select id from measured v where iop > any (select w.iop from measured w where w.pid = v.pid and w.id <> v.id) order by id
select id, (select array_agg(w.id order by w.id) from measured w where w.seen < v.seen) from measured v order by id
select id, (select string_agg(w.eye, ',' order by w.id) from measured w where w.pid = v.pid and w.id > v.id) from measured v order by id
select v.id, p.n, (select count(*) from measured w where w.pid = v.pid and w.iop > v.iop) from measured v join (values (1, 'a'), (2, 'b')) p (i, n) on p.i = v.pid order by 1
select id, (select count(*) from measured w join measured x on x.pid = w.pid where w.pid = v.pid and x.seen < v.seen) from measured v order by id
select eye, count(*) from measured v where (select count(*) from measured w where w.pid = v.pid and w.seen < v.seen) > 0 group by eye order by eye
select id, (select count(*) from measured w where w.seen < v.seen) + (select count(*) from measured w where w.seen > v.seen) from measured v order by id
select id, case when (select count(*) from measured w where w.pid = v.pid and w.seen < v.seen) = 0 then 'first' else 'later' end from measured v order by id
select id, exists (select 1 from measured w where w.pid = v.pid and w.seen < v.seen) from measured v order by id
select id from measured v where seen = (select max(w.seen) from measured w where w.pid = v.pid) order by id
select id, (select max(iop) from measured w where w.pid = v.pid) from measured v order by id
with c as (select * from measured where eye = 'OD') select id, (select count(*) from c d where d.pid = c.pid and d.seen < c.seen) from c order by id
select id, (select count(*) from measured w where w.id between v.id - 1 and v.id + 1) from measured v order by id
select x.n from (select id, (select count(*) from measured w where w.seen < v.seen) as n from measured v) x order by 1
select id, (select min(w.seen - v.seen) from measured w where w.pid = v.pid and w.seen > v.seen) from measured v order by id
select count(*) from measured v where iop < (select max(w.iop) from measured w where w.eye = v.eye and w.id > v.id)
-- An inner query's order is that in which aggregates take its rows; values of groups; a cast beside the name of what is cast.
create table fed (id int, grp text, val int)
insert into fed values (1, 'a', 30), (2, 'b', 10), (3, 'a', 20), (4, 'b', 40), (5, 'a', 5)
select array_agg(x) from (select unnest(array[3, 1, 2]) x order by x) t
select string_agg(grp || val, ',') from (select * from fed order by val desc) t
select grp, array_agg(id) from (select grp, id, val from fed order by val) t group by grp order by grp
select json_agg(n) from (select id as n from fed order by val) t
select json_object_agg(grp, c) from (select grp, count(*) c from fed group by grp order by grp desc) t
select array_agg(t.id order by t.id) from (select id from fed order by val) t
select array_agg(k) from (select id, val from fed order by 2 limit 3) as t (k, v)
select string_agg(distinct grp, ',') from (select grp from fed order by 1) t
select array_agg(s) from (select id + val as s from fed order by id + val) t
select jsonb_agg(t) from (select id, val from fed order by val limit 2) t
select s.day::date, count(f.id) from generate_series('2020-01-01'::timestamptz, '2020-01-03'::timestamptz, '1 day') as s(day) left join fed f on f.id = extract(day from s.day) group by s.day order by s.day
select grp, (select val from fed x where x.grp = f.grp order by id desc limit 1) as last from fed f group by grp order by grp
select grp, sum(val), (select count(*) from fed x where x.grp > f.grp) as behind from fed f group by grp order by grp
select grp, sum((select count(*) from fed x where x.id < f.id)) from fed f group by grp order by grp
select sum((select count(*) from fed x where x.id < f.id)) from fed f
select grp from fed f group by grp having count(*) > (select count(*) from fed x where x.grp <> f.grp) order by grp
select val::text from fed f order by f.val
select sum(grp) from fed
select json_agg(t) from (select id, grp from fed order by val desc) t
select array_agg(x) from (select id from fed order by val, id) as t (x)
select grp, string_agg(distinct val::text, ',') from fed group by grp order by grp
select array_agg(distinct grp), count(*) from (select grp from fed order by val) t
select json_agg(distinct grp) from (select grp from fed) t
select jsonb_agg(distinct grp) from fed
select array_agg(distinct lower(grp)) filter (where id > 1) from fed
select json_build_object('x', json_agg(t.id)) from (select id from fed order by val) t
select grp, array_agg(distinct val) from fed group by rollup (grp) order by grp nulls last
select array_to_string(array_agg(n), ',') from (select id::text as n from fed order by id desc) s
select string_agg(x, '') from (select chr(64 + id) as x from fed union select 'Z' order by 1) u
