--- Names of the column.
select * from generate_series(1, 3)
select generate_series from generate_series(1, 3)
select generate_series.* from generate_series(1, 3)
select generate_series.generate_series + 1 as next from generate_series(1, 2)
select * from generate_series(1, 2) g
select g.* from generate_series(1, 2) as g
select * from generate_series(1, 2) as g (n)
select n, g.n from generate_series(1, 2) as g (n) where n > 1
select * from pg_catalog.generate_series(1, 2)
select count(*) from generate_series(1, 5) where generate_series > 2
select a.*, b.* from generate_series(1, 2) a, generate_series(1, 2) b order by 1, 2
--- Bounds that are computed.
select * from generate_series(1, (select 3))
select * from generate_series((select 1), (select 3), 2) g
select * from generate_series(1 + 1, 2 * 3, 5 - 3) g
select * from generate_series(-(-1), 7 / 2) g
select * from generate_series(length('ab'), length('abcd')) g
select sum(n) from generate_series(1, (select count(*) from generate_series(1, 4))) n
select pg_typeof(g), g from generate_series(1::bigint, 2) g
select pg_typeof(g), g from generate_series('1', 2) g
select pg_typeof(g), g from generate_series(1, 2, '1') g
select pg_typeof(g), g from generate_series(2147483646, 2147483647) g
select pg_typeof(g), g from generate_series(9223372036854775806, 9223372036854775807) g
select pg_typeof(g), g from generate_series(-9223372036854775807, -9223372036854775806) g
select * from generate_series(3, 1)
select * from generate_series(1, 3, -1)
select * from generate_series(3, 1, -1)
select * from generate_series(1, null::int)
select * from generate_series(null, 3)
select * from generate_series(1, 3, null)
prepare upto (int) as select * from generate_series(1, $1)
execute upto (2)
execute upto (null)
prepare days (timestamp) as select g from generate_series($1, $1 + interval '2 days', '1 day') g
execute days ('2020-01-01')
--- Of the columns before it.
select x, g from (values (2), (3)) v (x), generate_series(1, x) g order by 1, 2
select x, n from (values (0), (2)) v (x) cross join lateral generate_series(1, x) as g (n) order by 1, 2
select x, g from (values (0), (2)) v (x) left join lateral generate_series(1, x) g on true order by 1, 2
select x, g from (values (2), (3)) v (x) join generate_series(1, x) g on g > 1 order by 1, 2
select * from (values (2)) v (x), generate_series(1, x) order by 1, 2
select a, b from generate_series(1, 3) a, generate_series(1, a) b order by 1, 2
select a.n, b.n from generate_series(1, 2) a (n), lateral generate_series(a.n, 2) b (n) order by 1, 2
select g.d from (values (date '2020-01-01', date '2020-01-02')) v (a, b), generate_series(a, b, '1 day') g (d) order by 1
--- Times.
select pg_typeof(g), g from generate_series(timestamp '2020-01-31', timestamp '2020-06-01', '1 month') g
select g from generate_series('2008-03-01 00:00'::timestamp, '2008-03-04 12:00', '10 hours') g
select g from generate_series(timestamp '2020-01-03', timestamp '2020-01-01', interval '-1 day') g
select count(*) > 60 from generate_series(timestamp '2020-01-01', now()::timestamp, interval '1 month')
select pg_typeof(g), g from generate_series(date '2020-01-01', date '2020-01-03', '1 day') g
select pg_typeof(g), g from generate_series(date '2020-01-01', timestamp '2020-01-03', '1 day') g
select pg_typeof(g), g from generate_series(timestamp '2020-01-01', timestamptz '2020-01-03', '1 day') g
select pg_typeof(g), g from generate_series('2020-01-01', '2020-01-03', interval '1 day') g
select generate_series::date from generate_series(date '2020-01-01', date '2020-01-03', '1 day')
set timezone = 'Europe/Berlin'
select g from generate_series(timestamptz '2020-03-28 12:00', timestamptz '2020-03-31', '1 day') g
select g from generate_series(timestamptz '2020-03-28 02:30', timestamptz '2020-03-31', '1 day') g
select g from generate_series(timestamptz '2020-03-29 00:00', timestamptz '2020-03-29 06:00', '1 hour') g
select g from generate_series(date '2020-10-24', date '2020-10-27', '12 hours') g
select g from generate_series(timestamptz '2020-01-31', timestamptz '2020-05-31', '1 month') g
reset timezone
--- Decimals.
select pg_typeof(g), g from generate_series(1.0, 3.0, 0.5) g
select pg_typeof(g), g from generate_series(1, 3.5) g
select g from generate_series(-0.5, 0.5, 0.5) g
select g from generate_series(1, 2, 0.25) g -- differs: a column has one number of decimals
select sum(g) from generate_series(0.1, 1.0, 0.1) g
--- In the select list.
select generate_series(1, 3)
select generate_series(1, 2), generate_series(1, 3)
select generate_series(1, 2) + 1
select generate_series(3, 1)
select generate_series(1, x) from (values (1), (2)) v (x) order by 1
select generate_series(1, null::int), 5
select x, generate_series(x, 2) as g from (values (1), (2)) v (x) order by 1, 2
select generate_series(timestamp '2020-01-01', '2020-01-02', '12 hours')
select g::date from (select generate_series(date '2020-01-01', '2020-01-03', '1 day') g) s
--- WITH ORDINALITY.
select * from generate_series(3, 1, -1) with ordinality
select * from generate_series(3, (select 1), -1) with ordinality as g (n, o)
select x, n, o from (values (2), (3)) v (x), generate_series(x, 4) with ordinality g (n, o) order by 1, 3
select o, d from generate_series(timestamp '2020-01-01', '2020-01-02', '12 hours') with ordinality as g (d, o)
--- What is wrong.
create temp table steps (n int, i interval)
insert into steps values (0, '1 month -30 days')
select generate_series(1, 3, n) from steps
select g from steps, generate_series(1.0, 3, n) g
select g from steps, generate_series(timestamp '2020-01-01', timestamp '2020-01-02', i) g
select * from generate_series(1, 3, 0) -- differs: what needs no table fails before it is described
select generate_series(1, 3, 0) -- differs: what needs no table fails before it is described
select * from generate_series(timestamp '2020-01-01', timestamp '2020-01-02')
select * from generate_series(1)
select * from generate_series('1', '2')
select * from generate_series('a', 3)
select * from generate_series(1::float8, 2::float8)
