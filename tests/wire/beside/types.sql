-- Whole numbers.
select 1
select 1, 2147483647, 2147483648, -1, -2147483647, -2147483648, 9223372036854775807
select 9223372036854775808, 18446744073709551616, -18446744073709551616
select 1 + 1, 1 - 2, 2 * 3, 7 / 2, 7 % 3, -(1)
select 1 + 2147483648, 2147483648 - 1
select 1::smallint + 1, 1::bigint + 1, 1::smallint + 1::smallint
select 2147483647 + 1
select 2147483648 * 2147483648 * 4
select 32767::smallint + 1::smallint
select -2147483647 - 2
select a + 1 from (select 2147483647 as a) as t
select a * 2 from (values (1), (2147483647)) as t (a)  -- differs: no row is sent before one that fails
select 40000::smallint
select 3000000000::int
select '99999999999'::int
select '40000'::smallint
values (1)
values (1, 'a'), (2, 'b')
values (1), (2147483648)
select column1 from (values (1), (2)) as t order by 1
select a, b from (values (1, 2147483648)) as t (a, b)
select * from generate_series(1, 3) as n
select n from generate_series(1, 3) as n
select n from generate_series(1, 2147483650, 1073741824) as n
select x from generate_series(-1, 1) as t (x)
select sum(n), count(n), min(n), max(n) from generate_series(1, 3) as n
select n + 1 from generate_series(1, 2) as n
select array[1, 2]
select array[1, 2147483648]
select array[[1, 2], [3, 4]]  -- differs: an array of arrays is json
select (array[1, 2])[1]
select unnest(array[1, 2])
select array_agg(n) from generate_series(1, 2) as n
select array_length(array[1, 2], 1), cardinality(array[1, 2]), array_position(array[5, 6], 6)
select case when true then 1 else 2 end, case 1 when 1 then 2147483648 else 1 end
select coalesce(null, 1), nullif(1, 2), greatest(1, 2), least(1, 2147483648)
select count(*), count(1), sum(1), min(1), max(1) from (values (1)) as t
select abs(-1)
select sum(1::bigint)  -- differs: the engine's sum of bigint is bigint
select row_number() over (order by n), rank() over (order by n), ntile(2) over (order by n) from generate_series(1, 2) as n
select lag(n) over (order by n), lead(n, 1, 0) over (order by n), first_value(n) over (order by n) from generate_series(1, 2) as n
select n, sum(n) over (order by n rows between 1 preceding and 1 following) from generate_series(1, 3) as n order by 1
select nth_value(n, 2) over (order by n rows between unbounded preceding and unbounded following) from generate_series(1, 3) as n
select 1 union select 2 order by 1
select 1 union all select 2147483648 order by 1
select 1::smallint union all select 1
with t as (select 1 as a) select a, a + 1 from t
with recursive t (n) as (select 1 union all select n + 1 from t where n < 3) select n from t order by n
select (select 1), exists (select 1)
select a from (select 1 as a) as t where a = 1
select a from (select 1::bigint as a) as t where a in (1, 2) and a between 0 and 5 and a <> 7
select 1 = 1::bigint, 1::bigint = any (array[1, 2]), 5 in (1, 5)
select length('abc'), position('b' in 'abc'), char_length('abc'), octet_length('abc'), ascii('a')
select substring('abcdef' from 2 for 3), left('abc', 2), repeat('a', 3), lpad('a', 3, 'x'), split_part('a,b', ',', 2)
select 1 as a order by a limit 1 offset 0
select n from generate_series(1, 5) as n order by n limit 1 + 1 offset 1
select n / 2 as h, count(*) from generate_series(1, 5) as n group by 1 order by 1
select distinct on (n) n from generate_series(1, 2) as n order by 1
select n from generate_series(1, 2) as n fetch first 1 rows only
select sum(case when n > 1 then 1 else 0 end) from generate_series(1, 3) as n
select '1'::int + 1, 1 || 'a'
select 1::text, 1::float8, 1::numeric(10, 2), 1::boolean
select 5 & 3, 5 | 3, 1 << 4, ~1
select 5 & 3, 5 | 3, 1 << 4, 16 >> 2
select date '2024-01-01' + 1, date '2024-01-31' - 1, date '2024-01-31' - date '2024-01-01'
select interval '1 day' * 2
create temp table wide (i int, b bigint, s smallint, t text, v interval, y bytea, d date)
create temp table made as select 1 as a, 2147483648 as b, array[1, 2] as c, 'x' as d, interval '1 mon' as e
select * from made
insert into wide (i, b, s) values (1, 1, 1), (2147483647, 2, 2)
insert into wide (i) values (2147483648)
insert into wide (s) values (40000)
select i + 1, b + 1, s + 1 from wide where i = 1
select i + 1 from wide  -- differs: no row is sent before one that fails
update wide set b = b + 1 where b = 2
delete from wide where i = 2147483647
create temp view seen as select 1 as a, array[1] as b, i + 1 as c from wide
select * from seen
-- Parameters.
select $1
select $1 + 1
select $1 + 1, $2 * 2147483648
select $1::bigint + 1
select i from wide where i = $1 and b = $2 and s = $3 and t = $4
select i from wide where i > $1 + 1
select i from wide where i = any ($1) limit $2 offset $3
select i from wide where i in ($1, $2) and i between $3 and $4
select case when $1 then 1 else 2 end  -- differs: a parameter that stands alone is a text
select coalesce($1, 1), coalesce(b, $2) from wide  -- differs: a parameter that stands alone is a text
insert into wide (i, b, s, t, v, d) values ($1, $2, $3, $4, $5, $6)
update wide set b = $1 where i = $2
-- Intervals.
select interval '1 mon 2 days 03:04:05', interval '03:04:05', interval '1-2', interval 'P1Y2M', interval '-1 day 2:00', interval '1 day ago'
select '1 mon 2 days 03:04:05'::interval, '03:04:05'::interval, '1-2'::interval, 'P1Y2M'::interval, '1 day ago'::interval
select interval '5' month, interval '1:30' minute to second, interval '1 12' day to hour, interval '1 year 2 mons 3 days' year
select t::interval from (values ('1 mon'), ('2 days 03:04'), (null)) as x (t)
select v::text from (select '1 year 2 mons -3 days 04:05:06.789'::interval as v) as t
select 'for ' || interval '1 day'
select interval '1 day' + interval '2 hours', interval '1 day' - interval '2 hours', - interval '1 day'
select timestamp '2024-01-03 12:00' - timestamp '2024-01-01', timestamp '2024-01-01' + interval '1 mon 02:00'
select (timestamp '2024-01-03 12:00' - timestamp '2024-01-01')::text
select interval '1 day' > interval '2 hours', interval '1 day' = '1 day'
select interval 'nonsense'
select 'nonsense'::interval
select t::interval from (values ('nonsense')) as x (t)
select '99999999999 years'::interval
select interval '1 fortnight'
insert into wide (v, d) values ('1 mon 2 days 03:04:05', '2024-02-29')
select v, v::text, d from wide where v is not null
select d from wide where v > '1 day' and v < interval '2 mons'
select array[interval '1 day', '2 hours']  -- differs: a text is no interval beside one in an array
-- Bytes, dates, rows.
select octet_length('\x0102'::bytea), length('\x0102'::bytea), bit_length('\x0102'::bytea), octet_length('äö'), length('äö')
select length(y) from (values ('\x00ff'::bytea), (null)) as t (y)
select '2024-02-29 +00'::date, ('2024-02-29 12:00:00+02')::date, date '2024-02-29'
select row(1, 'a'::text), row(1, null::text, 2.5::float8), row('a,b'::text, ''::text, 'q"\'::text)
select array[row(1, 'a'::text), row(2, 'b c'::text)]
select row(array[1, 2], row(1, 'x y'::text))
select (1, 2), (1, 'a'::text)
select row(1, 2) = row(1, 2), (1, 2) = (1, 3)
select r from (values (row(1, true)), (null)) as t (r)
-- Texts of values.
select 1.0::float8::text, 1e20::float8::text, 'NaN'::float8::text, 1.5::real::text, true::text, 12.50::numeric(10, 2)::text
select (timestamp '2024-01-02 03:04:05')::text, (timestamptz '2024-01-02 03:04:05.5+02')::text, (date '2024-02-29')::text, (time '03:04:05.25')::text
select ('\x00ff'::bytea)::text, (array[1, null, 3])::text, (array['a', 'b c'])::text, (row(1, 2))::text
select 'at ' || timestamp '2024-01-02 03:04:05', 'x' || 2.5::float8, concat('a', 1.0::float8, null, timestamp '2024-01-02')
set time zone 'Europe/Paris'
select (timestamptz '2024-07-01 12:00:00+00')::text, timestamptz '2024-07-01 12:00:00+00'
set time zone 'UTC'
