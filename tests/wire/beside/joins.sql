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
