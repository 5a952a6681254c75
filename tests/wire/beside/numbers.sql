create temp table v (id int, b bigint, f float8, n numeric(10, 2), t timestamp, d date, ok boolean)
insert into v values (1, 9223372036854775807, 2.5, 1000.50, '2024-01-01 10:20:30.5', '2024-01-01', true), (2, 10, 3.5, 2.25, '2024-01-03 00:00:00', '2024-02-01', false), (3, null, null, null, null, null, null)
--- Sums that do not wrap, and are no whole numbers.
select sum(b), sum(id), sum(f) from v
select id, sum(b) over (order by id) from v order by id
select sum(b) over (order by id rows between 1 preceding and current row), sum(id) over (order by id rows between 1 preceding and current row) from v order by 1
select ok, sum(b), sum(id::smallint) from v group by ok order by ok
select pg_typeof(sum(id)), pg_typeof(sum(b)), pg_typeof(sum(f)), pg_typeof(sum(n)) from v
select pg_typeof(sum(id::smallint)) from v
select sum(id::bigint) / 4 > 1.4 as halves, round(100 * count(*) / sum(count(*)) over (), 2) from v group by ok order by 2
--- Casts round.
select 2.5::int, (-2.5)::int, 1.5::int, 2.4::bigint, 1000.50::numeric(10, 2)::int, 2.5::numeric::int, (-2.5)::numeric::int
select f::int, (f + 0.1)::smallint, n::int from v order by id
select 2.5::float8::int, 3.5::float8::int, round(2.5::float8), round(3.5::float8), round(-0.5::float8), round(2.5::numeric)
select 2::float / 3, 123456789::float, cast(0.1 as float(53)), cast(0.1 as float(24)), pg_typeof(1::float)
--- Quotients of numeric, as far as their digits are compared.
select round(2 / 3::numeric, 10), round(1000.50::numeric(10, 2) / 1000000, 7), round(1::numeric / 7::bigint, 12), 6::numeric / 3 = 2
select n / 0 from v
--- Types of CASE: of all its branches.
select case when id = 1 then 0 else f end from v order by id
select case when id = 1 then 0 else n end = 0, case when id = 1 then id else b end from v order by id
select sum(case when id = 1 then 0 else 0.25::float8 end) from v
create temp table kept as select id, case when id = 1 then 0 else f end as x from v
select id, x, pg_typeof(x) from kept order by id
select case when id = 1 then d else t end from v order by id
--- Parts of times.
select extract(second from t) = 30.5, date_part('second', t), date_part('milliseconds', t), extract(minute from t) from v where id = 1
select extract(epoch from interval '1 year 2 mons') = 36741600, extract(epoch from max(t) - min(t)) > 135569, extract(second from time '10:00:07.25') = 7.25 from v
select max(t) - min(t) > interval '1 day', max(t) - min(t) from v
select t - timestamp '2023-12-31', (t - '2023-12-31') * 2, (t - '2023-12-31') / 2 from v order by id
select id from v where timestamp '2024-01-05' - t > interval '2 days' order by id
select interval '36 hours' > interval '1 day', interval '1 day' = interval '24 hours', interval '1 mon' < interval '31 days', interval '1 mon' = interval '30 days'
select timestamp '2024-03-01' - timestamp '2024-02-28 12:00', timestamp '2024-01-01' - timestamp '2024-01-02 06:00'
select to_timestamp(0), to_timestamp(1.5), pg_typeof(to_timestamp(id)) from v where id = 1
select current_timestamp(0) = date_trunc('second', current_timestamp(0)), localtimestamp(0) = date_trunc('second', localtimestamp(0))
--- Literals in quotes have the type of what they stand beside.
select id from v where ok = 't'
select id from v where ok <> 'true'
select '5' + 3, 3 * '5', id + '1', t - '2024-01-01' from v where id = 1
select d - '2023-12-31', t + '1 day' from v where id = 1
select coalesce(d, '2024-12-31'), coalesce(f, '7'), nullif(d, '2024-01-01'), greatest(d, '2024-01-15') from v order by id
select coalesce(d, 'nonsense') from v -- differs: the columns are told before the call fails
select 'abc'::varchar(2), cast('abcdef' as char(3)), 'é€x'::varchar(2), pg_typeof('a'::varchar(3)::text)
select 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid
select 'xyz'::uuid
--- Timestamps have microseconds, and the years of PostgreSQL.
select timestamp '9999-12-31', '9999-12-31'::timestamp > '2024-01-01', timestamp '1500-01-01' < timestamp '9999-12-31 23:59:59.999999'
select id from v where t < '9999-12-31' and t > timestamp '1600-01-01' order by id
select t + interval '1 microsecond', t - interval '1 year' from v where id = 1
--- Texts that would be too long.
select length(repeat('ab', 3)), lpad('a', 5, 'xy'), rpad('a', 3), lpad('abc', 2)
select length(lpad('a', 2000000000))
