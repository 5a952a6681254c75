-- Functions that analysts call.
create temp table a (id int, g text, v float8, n numeric(10, 2), d date, l int[])
insert into a values (1, 'a', 1.5, 10.25, '2024-01-01', array[1, 2, 1]), (2, 'a', 2.5, 20.50, '2024-02-01', array[3]), (3, 'b', 3.5, null, '2024-01-15', null), (4, 'b', null, 7.75, null, array[null, 2]::int[]), (5, 'c', 0.5, 1.00, '2024-03-01', array[]::int[])
-- Ordered sets.
select percentile_disc(0.5) within group (order by v), percentile_disc(0.5) within group (order by g desc), percentile_disc(0.75) within group (order by d), percentile_disc(0) within group (order by n) from a
select g, percentile_disc(0.5) within group (order by v desc), mode() within group (order by d) from a group by g order by g
select percentile_cont(array[0.25, 0.5, 1]) within group (order by v), percentile_disc(array[0.25, 0.5, null]) within group (order by id) from a
select g, percentile_cont(array[0.5, 0.9]) within group (order by v) filter (where id > 1), percentile_disc(0.5) within group (order by id) filter (where id > 3) from a group by g order by g
select mode() within group (order by g), mode() within group (order by g desc), mode() within group (order by id % 2) from a
select percentile_cont(0) within group (order by v), percentile_cont(1) within group (order by v), percentile_cont(0.5) within group (order by v desc), percentile_cont(0.25) within group (order by n) from a
select percentile_disc(null) within group (order by id), percentile_disc(0.5) within group (order by id) filter (where false), mode() within group (order by l) from a
select f, percentile_disc(f) within group (order by x) from (values (0.25, 1), (0.25, 2), (0.75, 3), (0.75, 4)) as t (f, x) group by f order by f
select percentile_disc(1.5) within group (order by id) from a
select percentile_disc(v / 10) within group (order by id) from a -- differs: it is known when the rows differ, not when the statement is planned
select percentile_disc(0.5, 1)
select mode(1)
select (select percentile_disc(0.5) within group (order by b.id) from a b where b.g = a.g) from a order by a.id
select every(v > 0), every(id > 0), g from a group by g order by g
-- Numbers.
select width_bucket(5.35, 0.024, 10.06, 5), width_bucket(5.35, 10.06, 0.024, 5), width_bucket(-1, 0, 10, 5), width_bucket(11, 0, 10, 5), width_bucket(10, 0, 10, 5), width_bucket(n, 0, 30, 3), width_bucket(v, 0, 4, 4) from a order by id
select width_bucket(3, array[1, 2, 5]), width_bucket(0.5, array[1, 2, 5]), width_bucket(9, array[1, 2, 5]), width_bucket(date '2024-02-01', array[date '2024-01-01', date '2024-03-01']), width_bucket(3, array[]::int[]), width_bucket('x', array['a', 'm', 'z']), width_bucket(null, 0, 1, 3)
select width_bucket(1, 0, 10, 0)
select width_bucket(1, 0, 0, 3)
select width_bucket(1, array[1, null])
select width_bucket('NaN'::float8, 0, 1, 3)
select sign(-1.5), sign(2), ceiling(1.2), ceiling(-1.2), div(7, 2), div(-7, 2), div(7.5, 2), div(-7.5, -2), div(9, 4.1), div(n, 3) from a where id = 1
select div(1, 0)
select scale(1.50), scale(8), scale(n), min_scale(1.500), min_scale(10), min_scale(n), trim_scale(1.500), trim_scale(100) from a where id = 2
select num_nulls(1, null, null), num_nonnulls(null), num_nonnulls(1, null, 'a'), num_nulls(v, n, d) from a order by id
select to_number('1,234.5', '9,999.9'), to_number('12,454.8-', '99G999D9S'), to_number('-34,338,492', '99G999G999'), to_number('<564646.654564>', '999999.999999PR'), to_number('0.00001-', '9.99999S'), to_number('$ 1,234.56', 'L9,999.99'), to_number('34,50', '999,99'), to_number('42nd', '99th'), to_number(' 42 ', '99'), to_number('1.5', '9'), to_number('+42', 'S99'), to_number('-42', 'MI99')
select to_number('1,234', '9999'), to_number('12 34', '9999'), to_number('- 5', '99'), to_number('1234.567', '9999.9'), to_number('.5', '9.9'), to_number('x12', '999'), to_number('1x2', '999'), to_number('12%', '99%'), to_number('1 234', '9 999'), to_number('', null)
select to_number('abc', '999') -- differs: the columns are told before the call fails
select ~5, ~(-1), ~id, ~id::bigint from a order by id
select trunc(0.29, 2), trunc(1234.56, -2), trunc(12345, -2), trunc(2.345::numeric(10, 3), 2), trunc(2.345::numeric(10, 3), 5), trunc(-1.57::numeric(5, 2), 1), trunc(n, 1), trunc(n, 0) from a order by id
select trunc(v, 1) from a -- differs: the engine's literals are floating-point numbers, so that these are cut too
select row(null, null) is null, row(1, null) is null, row(1, null) is not null, row(1, 2) is not null, (null, null) is null, (v, n) is null from a order by id
-- Texts.
select regexp_matches('foobarbequebazilbarfbonk', '(b[^b]+)(b[^b]+)', 'g')
select regexp_matches('foobarbaz', 'ba.', 'g'), regexp_matches('abc', '(x)?b')
select id, regexp_matches(g || 'bc', '[B-C]', 'gi') from a where id < 3 order by id
select regexp_matches('abc', 'z')
select * from regexp_matches('a1b22', '\d+', 'g') as m
select regexp_matches('abc', 'b', 'y') -- differs: the columns are told before the call fails
select regexp_substr('number of your street, town zip, FR', '[^,]+', 1, 2), regexp_substr('ABCDEFGHI', '(c..)(...)', 1, 1, 'i', 2), regexp_substr('abcabc', 'b.', 3), regexp_substr('abc', 'z'), regexp_substr('abc', 'b', 9), regexp_substr('abc', '(b)(c)', 1, 1, '', 5), regexp_substr('abc', null)
select regexp_substr('abc', 'b', 0)
select format('%5s|%-5s|%2$s|%1$10s|', 'a', 'b'), format('%*s|%-*s|', 4, 'c', 5, 'd'), format('%s %s %1$s %s', 1, 2, 3), format('%3$s %s', 1, 2, 3, 4)
select format('%-10I|%10L|', 'a b', 'c'), format('%L', null), format('%5L', null), format('%s', true), format('%%|'), format('%*s|', -5, 'a'), format('%*2$s|', 'a', 5), format('%*s|', null, 'a')
select format('%s|%s|%s|%s', 1.5, array[1, 2], date '2024-01-01', null), format('%10s|%-10s|', g, l) from a order by id
select length(gen_random_uuid()::text), timeofday() ~ '^[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} \d{4} '
select to_char(485, 'RN'), to_char(485, 'FMRN'), to_char(4000, 'RN'), to_char(3, 'rn'), to_char(-3, 'RN'), to_char(485.6, 'RN'), to_char(0, 'RN'), to_char(5, 'FMrn')
select to_char(485, '999th'), to_char(485, '999TH'), to_char(-485, '999th'), to_char(1, '999th'), to_char(12, 'FM999th'), to_char(482, 'S999th'), to_char(22, '000TH'), to_char(113, 'FM9999th'), to_char(485.3, '999.9th')
select to_char(-485, '999PR'), to_char(485, '999PR'), to_char(485, 'FM999PR'), to_char(-485, 'FM999PR'), to_char(-48, '9999PR'), to_char(-48.5, '9999.99PR'), to_char(48, '0000PR')
select to_char(0.0004859, '9.99EEEE'), to_char(-12345, '9.999EEEE'), to_char(0, '9.9EEEE'), to_char(12345, '9EEEE'), to_char(1e20::float8, '9.99EEEE'), to_char(99999, '9.99EEEE'), to_char(5, '0.00EEEE'), to_char(1234.5, '99.9EEEE'), to_char(n, '9.9EEEE') from a order by id
select to_char(12.4, '99V999'), to_char(12.45, '99V9'), to_char(12, '99V999'), to_char(-12.4, '99V9'), to_char(12.4, 'FM999V99'), to_char(1, '9V9'), to_char(0.05, '9V99')
select to_char(485, 'SG999'), to_char(-485, '9SG99'), to_char(485, '999SG'), to_char(-48, 'SG999'), to_char(48, '999SG'), to_char(485, '999PL'), to_char(485, 'PL999'), to_char(-485, 'PL999'), to_char(-485, '999PL'), to_char(48, 'PL999'), to_char(48, 'FMPL999'), to_char(485, '9PL99')
select to_char(interval '15h 2m 12s', 'HH24:MI:SS'), to_char(interval '15h 2m 12s', 'HH12:MI:SS AM'), to_char(interval '-1 day -2 hours', 'DD HH24'), to_char(interval '40 days 30 hours', 'DD HH24 MM YYYY Y,YYY DDD'), to_char(interval '3 years 4 mons', 'YYYY MM CC Q'), to_char(interval '-15h -2m', 'HH24:MI:SS HH12 SSSS'), to_char(interval '-0.5 seconds', 'SS.MS SS.US')
select to_char(interval '1 year 400 days', 'DDD WW W'), to_char(interval '1 mon', 'RM'), to_char(interval '0', 'RM'), to_char(interval '100 hours -1 minutes', 'HH24:MI:SS FMHH24')
select to_char(interval '1 mon', 'Month') -- differs: the columns are told before the call fails
-- Times.
select justify_days(interval '40 days'), justify_hours(interval '50 hours 10 minutes'), justify_interval(interval '1 mon -1 hour'), justify_interval(interval '-1 mon 31 days 25 hours'), justify_days(interval '-40 days'), justify_hours(interval '-25 hours'), justify_days(interval '1 mon -5 days'), justify_interval(interval '1 day -1 hour'), justify_days('1 mon 31 days'), justify_hours(null)
select date_trunc('month', d), pg_typeof(date_trunc('month', d)), date_trunc('quarter', d)::date from a order by id
select date_trunc('month', d), count(*) from a group by 1 order by 1
set timezone = 'Europe/Rome'
select date_trunc('month', d), date_trunc('month', date '2024-03-15') + interval '1 month', date_trunc('day', timestamp '2024-03-15 10:00'), date_trunc('day', timestamptz '2024-03-15 23:30+00'), date_trunc('year', d)::date from a order by id
select id from a where date_trunc('month', d) = '2024-01-01' order by id
select date_trunc('month', d) + interval '1 month', d::timestamptz + interval '20 days', interval '1 month' + date_trunc('month', d), date_trunc('month', d) - interval '1 day' from a where id in (1, 5) order by id
reset timezone
select isfinite(d), isfinite(now()), isfinite(interval '1 day') from a order by id
select 'today'::date = current_date, date 'tomorrow' - date 'yesterday', timestamp 'epoch', timestamptz 'epoch', 'now'::timestamptz = now(), 'today'::timestamp = current_date, time 'now' is not null, ' Today '::date = current_date, time 'allballs', date 'epoch', date 'today' - 1 = 'yesterday'::date
select count(*) from a where d < 'today'::date and d > date 'epoch'
select (date '2024-01-01', date '2024-02-01') overlaps (date '2024-01-15', date '2024-03-01'), (date '2024-01-01', interval '10 days') overlaps (date '2024-01-15', date '2024-03-01'), (date '2024-01-15', date '2024-01-01') overlaps (date '2024-01-10', date '2024-01-12'), (date '2024-01-01', date '2024-01-02') overlaps (date '2024-01-02', date '2024-01-03'), (date '2024-01-01', date '2024-01-01') overlaps (date '2024-01-01', date '2024-01-01')
select (date '2024-01-01', null) overlaps (date '2024-01-01', date '2024-01-03'), (null, date '2024-01-02') overlaps (date '2024-01-01', date '2024-01-03'), (time '10:00', time '12:00') overlaps (time '11:00', interval '1 hour'), (timestamp '2024-01-31 10:00', interval '1 month') overlaps (timestamp '2024-02-29 09:00', timestamp '2024-03-01')
select id from a where (d, d + 20) overlaps (date '2024-01-10', date '2024-01-20') order by id
select pg_sleep(0), pg_sleep_for('0 seconds'), pg_sleep_until(now()), pg_sleep(null) is null
select id, pg_sleep(0.001) from a order by id
set statement_timeout = '100ms'
select pg_sleep(10)
select id from a where pg_sleep(id) is null
reset statement_timeout
select setseed(0.5) -- differs: random() follows no seed here
-- Arrays.
select array_remove(array[1, null, 2], null), array_replace(array[1, null, 1], null, 5), array_replace(array[1, null, 1], 1, null), array_remove(null::int[], 1), array_remove(array[1], 1), array_remove(array['a', 'b'], 'a'), array_replace(array[1, 2, 1], 1, 3), array_remove(array[1, 2, 1], 1)
select id, array_remove(l, 1), array_replace(l, null, 0), array_remove(l, id), l && array[2, 7], l && '{1}' from a order by id
select array[1, null] && array[null::int], array[1, 2] && array[2], array[1, 2] && '{}', '{1}' && array[1], array['a'] && array['b', 'a'], array[1, 2] && null
select array_remove(array[1, 2], 'x')
select array[1] && '{x}'
select trim_array(array[1, 2, 3], 1), trim_array(array['a'], 1), trim_array(array[1, 2], 0)
select trim_array(array[1, 2, 3], 4)
-- JSON.
create temp table j (id int, b jsonb)
insert into j values (1, '{"a": 1, "b": [1, 2, {"c": 3}]}'), (2, '["a", "b"]'), (3, '1'), (4, null), (5, '{"a": {"x": [1, 2]}, "d": null}')
select '{"a":1,"b":[1,2,{"c":3}]}'::jsonb @> '{"b":[{"c":3}]}', '[1,2]'::jsonb @> '1', '[1,[2]]'::jsonb @> '[[2]]', '{"a":1}'::jsonb @> '{}', '[]'::jsonb <@ '[1]', '1'::jsonb @> '[1]', '{"a":1.0}'::jsonb @> '{"a":1}', '[1,1]'::jsonb <@ '[1]', '{"a":[1]}'::jsonb @> '{"a":1}', '1'::jsonb @> '1', '["a"]'::jsonb @> '["a","a"]', '[1]'::jsonb @> '{}'
select id, b @> '{"a": 1}', '{"a": 1}' <@ b, b ? 'a', b ?| array['x', 'b'], b ?& array['a', 'b'] from j order by id
select id from j where b @> '{"a": {"x": [2]}}' or b ? 'b' order by id
select '{"a":1}'::jsonb || '{"b":2,"a":3}', '[1]'::jsonb || '[2]', '1'::jsonb || '2', '[1]'::jsonb || '{"a":1}', '1'::jsonb || '[]', b || '[9]' from j order by id
select '{"a":1,"b":2}'::jsonb - 'a', '["a","b","a"]'::jsonb - 'a', '[1,2,3]'::jsonb - 1, '[1,2,3]'::jsonb - -1, '[1]'::jsonb - 5, '{"a":1,"b":2,"c":3}'::jsonb - array['a', 'c'], '{"a":1}'::jsonb - 'z'
select '1'::jsonb - 'a'
select '{"a":{"b":1,"c":[1,2]}}'::jsonb #- '{a,b}', '{"a":[1,2,3]}'::jsonb #- '{a,-1}', '{"a":1}'::jsonb #- '{x,y}', '[1,2]'::jsonb #- array['0'], b #- '{a,x,0}' from j where id = 5
select b::text || '!' from j where id = 3
select 'x' || b::text from j where id = 3
select b -> 'a' || '[7]' from j where id = 1
select * from json_to_recordset('[{"a":1,"b":"x"},{"b":null}]') as t (a int, b text)
select * from jsonb_to_record('{"a":1,"b":{"c":[1, 2]},"d":true,"e":"2024-01-01","f":1.5}') as t (a int, b jsonb, d boolean, e date, f numeric(5, 2), z text)
select t.a + 1 from json_to_recordset('[{"a":1},{"a":-1}]') t (a int) where a > 0
select j.id, x.a, x.q from j, jsonb_to_recordset('[{"a":1,"Q":"u"}]') as x (a int, q text) where j.id < 3 order by 1
select q.id, x.c from (values (1, '[{"c":1},{"c":2}]'::jsonb), (2, '[]'::jsonb)) as q (id, b) cross join lateral jsonb_to_recordset(q.b) as x (c int) order by 1, 2
select q.id, x.c, x.k from (values (1, '[{"c":1},{"c":2,"k":"v"}]'::jsonb)) as q (id, b), jsonb_to_recordset(q.b) as x (c int, k text) order by 1, 2
select * from json_to_recordset('[1]') as t (a int) -- differs: the columns are told before the call fails
select * from json_to_record('{"a":1}')
-- The names of columns beside a wildcard.
select *, jsonb_object_keys('{"a":1}'), upper('x'), 1 + 1, generate_series(1, 2) from (values (1)) v (n)
select *, case when n = 1 then 'a' end, n::text, (select 1), unnest(array[1]) as u, unnest(array[2]) from (values (1)) v (n)
select v.*, count(*) over () from (values (1), (2)) v (n) order by n
select *, n + 1 from (values (1)) v (n) union all select *, n + 2 from (values (2)) v (n) order by 1
select jsonb_object_keys('{"a":1}'), jsonb_array_elements('[1]')
