create table emp (id int, dept bigint, salary numeric(10,2), rate float8, name text, ok bool, day date, at timestamp, atz timestamptz, t time, span interval, tags text[], ids int[], doc jsonb, u uuid, small int2)
insert into emp values (1, 10, 100.50, 1.5, 'ann', true, '2020-01-15', '2020-01-15 10:00:00', '2020-01-15 10:00:00+00', '10:00', '1 day', '{a,b,c}', '{1,2,3}', '{"a": 1, "b": [1, 2]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 5), (2, 20, 200.25, 2.5, 'bob', false, '2020-02-15', '2020-02-15 11:30:00', '2020-02-15 11:30:00+00', '11:30', '2 hours', '{b,d}', '{4,5}', '{"a": 2, "b": []}', 'b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 7), (3, 30, null, null, null, null, null, null, null, null, null, null, null, null, null, null)
prepare p as select $1; select parameter_types from pg_prepared_statements; execute p ('a'); deallocate p
prepare p as select id from emp where $1 order by 1; select parameter_types from pg_prepared_statements; execute p (true); deallocate p
prepare p as select id from emp where not $1 order by 1; select parameter_types from pg_prepared_statements; execute p ('f'); deallocate p
prepare p as select id from emp where ok and $1; select parameter_types from pg_prepared_statements; execute p ('true'); deallocate p
prepare p as select id from emp where $1 or id = 1 order by 1; select parameter_types from pg_prepared_statements; execute p (false); deallocate p
prepare p as select id from emp where $1 is true order by 1; select parameter_types from pg_prepared_statements; execute p (true); deallocate p
prepare p as select count(*) from emp having $1; select parameter_types from pg_prepared_statements; execute p (true); deallocate p
prepare p as select e.id, f.id from emp e join emp f on $1 order by 1, 2; select parameter_types from pg_prepared_statements; execute p (true); deallocate p
prepare p as select count(*) filter (where $1) from emp; select parameter_types from pg_prepared_statements; execute p ('t'); deallocate p
prepare p as select case when $1 then 1 else 2 end; select parameter_types from pg_prepared_statements; execute p (false); deallocate p
prepare p as select case id when $1 then 'one' else 'other' end from emp order by id; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select case when ok then $1 else id end from emp order by emp.id; select parameter_types from pg_prepared_statements; execute p ('7'); deallocate p
prepare p as select at + $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('1 month'); deallocate p
prepare p as select at - $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('2020-01-01'); deallocate p
prepare p as select atz + $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (interval '2 days'); deallocate p
prepare p as select atz - $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('2020-01-01 00:00:00+00'); deallocate p
prepare p as select $1 + at from emp order by id; select parameter_types from pg_prepared_statements; execute p ('1 hour'); deallocate p
prepare p as select t + $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('90 minutes'); deallocate p
prepare p as select t - $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('09:00'); deallocate p
prepare p as select day - $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('2020-01-01'); deallocate p
prepare p as select span * $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (1.5); deallocate p
prepare p as select $1 * span from emp order by id; select parameter_types from pg_prepared_statements; execute p ('2'); deallocate p
prepare p as select span / $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select span + $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('1 hour'); deallocate p
prepare p as select interval '1 day' * $1; select parameter_types from pg_prepared_statements; execute p (3); deallocate p
prepare p as select timestamptz '2020-01-02 00:00:00+00' - $1 < interval '2 days'; select parameter_types from pg_prepared_statements; execute p ('2020-01-01 00:00:00+00'); deallocate p
prepare p as select id from emp where atz > timestamptz '2020-02-01 00:00:00+00' - $1 * interval '1 day' order by 1; select parameter_types from pg_prepared_statements; execute p (30); deallocate p
prepare p as select id + $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (5); deallocate p
prepare p as select dept - $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('5'); deallocate p
prepare p as select salary * $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p  -- differs: a numeric parameter has ten decimals
prepare p as select round(salary * $1, 2) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select rate / $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select small + $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select 1 + $1; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select id % $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select rate ^ $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select name || $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('x'); deallocate p
prepare p as select tags[$1] from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select ids[$1:$2] from emp order by id; select parameter_types from pg_prepared_statements; execute p (1, 2); deallocate p
prepare p as select id from emp where $1 = any (tags) order by 1; select parameter_types from pg_prepared_statements; execute p ('b'); deallocate p
prepare p as select id from emp where id = any ($1) order by 1; select parameter_types from pg_prepared_statements; execute p ('{1,3}'); deallocate p
prepare p as select id from emp where id in ($1, $2) order by 1; select parameter_types from pg_prepared_statements; execute p (1, '2'); deallocate p
prepare p as select id from emp where (id, dept) = ($1, $2); select parameter_types from pg_prepared_statements; execute p (1, 10); deallocate p
prepare p as select id from emp where (id, dept) in (($1, $2), (2, $3)) order by 1; select parameter_types from pg_prepared_statements; execute p (1, 10, 20); deallocate p
prepare p as select id from emp where id between $1 and $2 order by 1; select parameter_types from pg_prepared_statements; execute p (2, 3); deallocate p
prepare p as select id from emp where $1 between id and dept order by 1; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select id from emp where name like $1; select parameter_types from pg_prepared_statements; execute p ('a%'); deallocate p
prepare p as select id from emp where name ~ $1; select parameter_types from pg_prepared_statements; execute p ('^b'); deallocate p
prepare p as select id from emp where day = $1; select parameter_types from pg_prepared_statements; execute p ('2020-01-15'); deallocate p
prepare p as select id from emp where at >= $1; select parameter_types from pg_prepared_statements; execute p ('2020-02-01'); deallocate p
prepare p as select id from emp where u = $1; select parameter_types from pg_prepared_statements; execute p ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'); deallocate p
prepare p as select doc -> $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('a'); deallocate p
prepare p as select doc ->> $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('b'); deallocate p
prepare p as select id from emp where span > $1; select parameter_types from pg_prepared_statements; execute p ('3 hours'); deallocate p
prepare p as select id from emp where salary > $1; select parameter_types from pg_prepared_statements; execute p (150.5); deallocate p
prepare p as select id from emp where ok = $1; select parameter_types from pg_prepared_statements; execute p ('t'); deallocate p
prepare p as select id from emp where id is distinct from $1 order by 1; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select round(salary, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select round($1, 2); select parameter_types from pg_prepared_statements; execute p (2.345); deallocate p
prepare p as select round($1); select parameter_types from pg_prepared_statements; execute p (2.5); deallocate p
prepare p as select sqrt($1); select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select abs($1); select parameter_types from pg_prepared_statements; execute p ('-3.5'); deallocate p
prepare p as select power($1, $2); select parameter_types from pg_prepared_statements; execute p (2, 10); deallocate p
prepare p as select power(rate, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select ln($1), exp($2); select parameter_types from pg_prepared_statements; execute p (1, 0); deallocate p
prepare p as select id, ntile($1) over (order by id) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select id, lag(id, $1) over (order by id) from emp order by id; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select id, lag(id, 1, $1) over (order by id) from emp order by id; select parameter_types from pg_prepared_statements; execute p (99); deallocate p
prepare p as select id, lead(name, $1, $2) over (order by id) from emp order by id; select parameter_types from pg_prepared_statements; execute p (1, 'none'); deallocate p
prepare p as select id, nth_value(id, $1) over (order by id) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select left(name, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select right(name, $1), repeat(name, $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p (1, 2); deallocate p
prepare p as select lpad(name, $1, $2), rpad(name, $1, $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p (6, '*'); deallocate p
prepare p as select substr(name, $1, $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2, 1); deallocate p
prepare p as select split_part(name, $1, $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('n', 1); deallocate p
prepare p as select position($1 in name) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('n'); deallocate p
prepare p as select strpos(name, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('o'); deallocate p
prepare p as select upper($1), length($2), md5($3); select parameter_types from pg_prepared_statements; execute p ('x', 'abc', 'y'); deallocate p
prepare p as select chr($1); select parameter_types from pg_prepared_statements; execute p (65); deallocate p
prepare p as select make_date($1, $2, $3); select parameter_types from pg_prepared_statements; execute p (2020, 2, 29); deallocate p
prepare p as select make_interval(days => $1); select parameter_types from pg_prepared_statements; execute p (3); deallocate p
prepare p as select date_trunc($1, at) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('month'); deallocate p
prepare p as select to_char(at, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('YYYY-MM'); deallocate p
prepare p as select to_timestamp($1); select parameter_types from pg_prepared_statements; execute p (0); deallocate p
prepare p as select at at time zone $1 from emp order by id; select parameter_types from pg_prepared_statements; execute p ('UTC'); deallocate p
prepare p as select percentile_cont($1) within group (order by rate) from emp; select parameter_types from pg_prepared_statements; execute p (0.5); deallocate p
prepare p as select string_agg(name, $1 order by id) from emp; select parameter_types from pg_prepared_statements; execute p (', '); deallocate p
prepare p as select coalesce($1, id) from emp order by id; select parameter_types from pg_prepared_statements; execute p (null); deallocate p
prepare p as select coalesce(name, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('nobody'); deallocate p
prepare p as select nullif(id, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select greatest(rate, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select array_position(ids, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select array_append(ids, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (9); deallocate p
prepare p as select array_remove(ids, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select array_length(ids, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select array[$1, 2]; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select array[$1, $2]; select parameter_types from pg_prepared_statements; execute p ('a', 'b'); deallocate p
prepare p as select $1 = $2; select parameter_types from pg_prepared_statements; execute p ('a', 'a'); deallocate p
prepare p as select $1 < 5; select parameter_types from pg_prepared_statements; execute p (3); deallocate p
prepare p as select id from emp order by id limit $1 offset $2; select parameter_types from pg_prepared_statements; execute p (1, 1); deallocate p
prepare p as select id from emp order by id fetch first $1 rows only; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as values ($1, 1), (2, $2); select parameter_types from pg_prepared_statements; execute p ('1', 3); deallocate p
prepare p as select * from (values ($1), (2)) v (x) order by 1; select parameter_types from pg_prepared_statements; execute p (5); deallocate p
prepare p as select exists (select 1 where $1); select parameter_types from pg_prepared_statements; execute p (false); deallocate p
prepare p as select $1::int + $2; select parameter_types from pg_prepared_statements; execute p (1, '2'); deallocate p
prepare p as select $1 is not distinct from name from emp order by id; select parameter_types from pg_prepared_statements; execute p ('bob'); deallocate p
prepare p as select width_bucket(rate, $1, $2, $3) from emp order by id; select parameter_types from pg_prepared_statements; execute p (0, 4, 4); deallocate p
prepare p as select trim($1 from name) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('b'); deallocate p
prepare p as select replace(name, $1, $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('n', 'm'); deallocate p
prepare p as select format($1, id) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('<%s>'); deallocate p
prepare p as select bool_and($1) from emp; select parameter_types from pg_prepared_statements; execute p (true); deallocate p
prepare p as select mod(id, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select trunc(salary, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p (0); deallocate p
prepare p as select to_date($1, 'YYYY-MM-DD'); select parameter_types from pg_prepared_statements; execute p ('2020-02-03'); deallocate p
prepare p as select regexp_replace(name, $1, $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('[ab]', '-'); deallocate p
prepare p as select overlay(name placing $1 from $2) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('X', 2); deallocate p
prepare p as select jsonb_array_length($1); select parameter_types from pg_prepared_statements; execute p ('[1, 2]'); deallocate p
prepare p as select array_to_string(tags, $1) from emp order by id; select parameter_types from pg_prepared_statements; execute p ('+'); deallocate p
prepare p as select id, count(*) from emp group by id having count(*) > $1 order by 1; select parameter_types from pg_prepared_statements; execute p (0); deallocate p
prepare p as select case when id > $1 then 'a' when id > $2 then 'b' end from emp order by id; select parameter_types from pg_prepared_statements; execute p (2, 1); deallocate p
prepare p as select id from emp where id > $1 + 1 order by id; select parameter_types from pg_prepared_statements; execute p (1); deallocate p
prepare p as select id from emp where rate * 2 > $1 order by id; select parameter_types from pg_prepared_statements; execute p (4); deallocate p
prepare p as select id from emp where length(name) > $1 order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select id from emp where coalesce(rate, 0) > $1 order by id; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select id from emp where date_trunc('month', at) = $1; select parameter_types from pg_prepared_statements; execute p ('2020-02-01'); deallocate p
prepare p as select g from generate_series(1, $1) as g; select parameter_types from pg_prepared_statements; execute p (3); deallocate p
prepare p as select g from generate_series($1, 3) as g; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as select g from generate_series(timestamp '2020-01-01', $1, $2) as g; select parameter_types from pg_prepared_statements; execute p ('2020-01-03', '1 day'); deallocate p
prepare p as insert into emp (id, name, day, salary) values ($1, $2, $3, $4); select parameter_types from pg_prepared_statements; execute p (4, 'dan', '2020-04-01', 1.5); deallocate p
prepare p as insert into emp (id, name) select $1, $2; select parameter_types from pg_prepared_statements; execute p (5, 'eve'); deallocate p
prepare p as update emp set name = $1, salary = $2 where id = $3; select parameter_types from pg_prepared_statements; execute p ('dana', '2.25', 4); deallocate p
prepare p as update emp set salary = salary * $1; select parameter_types from pg_prepared_statements; execute p (2); deallocate p
prepare p as delete from emp where day < $1; select parameter_types from pg_prepared_statements; execute p ('2020-02-01'); deallocate p
select id, name, salary from emp order by 1
prepare p as select 1.5 * $1; select parameter_types from pg_prepared_statements; deallocate p  -- differs: a number with a point is double precision to the engine
prepare p as select id from emp where extract(year from day) = $1; select parameter_types from pg_prepared_statements; deallocate p  -- differs: extract gives an integer
prepare p as select sum(rate) over (order by id rows between $1 preceding and current row) from emp  -- differs: the bounds of a window are literals
prepare p as select $1 union select 1; select parameter_types from pg_prepared_statements; deallocate p  -- differs: a parameter alone in a part of UNION is text
