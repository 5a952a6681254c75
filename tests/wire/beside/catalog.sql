-- Names of objects.
select 'pg_class'::regclass, 'pg_catalog.pg_class'::regclass, '"pg_class"'::regclass
select 'pg_class'::regclass::oid, 1259::regclass, 1259::oid::regclass, '1259'::regclass, 0::regclass, 99::regclass
select 'pg_class'::regclass::text, 'pg_class'::regclass || '!', cast('pg_class'::regclass as varchar)
select 'nothing'::regclass
select 'nowhere.nothing'::regclass
select 'pg_catalog.nothing'::regclass
select 'int4'::regtype, 'integer'::regtype, 'timestamptz'::regtype, 'float8[]'::regtype, 'numeric(10,2)'::regtype, '"char"'::regtype, 23::regtype, 0::regtype, 9999999::regtype
select 'nothing'::regtype
select 'int4'::regtype::oid, 'int4'::regtype = 23, 23 = 'integer'::regtype, 'int4'::regtype = '23'
select 'int4'::regtype = 'integer'
select typname from pg_type where oid in ('23', '25') order by 1
select 'x'::oid
select 4294967295::oid, null::oid, '7'::oid, 'int4'::regtype::int8 + 1
select 'pg_catalog'::regnamespace, 11::regnamespace, 'pg_catalog'::regnamespace::oid
select 'nowhere'::regnamespace
select 'version'::regproc, 'pg_catalog.version'::regproc, 0::regproc, 'version()'::regprocedure, 'pg_get_userbyid(oid)'::regprocedure, 0::regprocedure
select 'nothing'::regproc
select 'nothing()'::regprocedure
select 'nobody'::regrole
select to_regclass('pg_class'), to_regclass('nothing'), to_regtype('int8'), to_regtype('nothing'), to_regnamespace('nowhere'), to_regproc('nothing'), to_regrole('nobody')
select null::regclass, null::regtype
select array['pg_class', 'pg_type']::regclass[], '{int4,text}'::regtype[]
select oid::regclass from pg_class where oid in (1259, 1247) order by oid
select c.oid::regclass as name, c.relnamespace::regnamespace from pg_class c where c.oid = 'pg_type'::regclass
select relname from pg_class where oid = 'pg_type'::regclass
select typname from pg_type where oid = any (array['int4', 'bool']::regtype[]) order by 1
select typname from pg_type where oid in ('int4'::regtype, 'bool'::regtype) order by 1
select typname, typarray::regtype, typinput, typoutput::text, typinput::oid from pg_type where typname in ('int4', 'bool', 'text') order by 1
select a.attname, a.atttypid::regtype from pg_attribute a where a.attrelid = 'pg_namespace'::regclass and a.attnum > 0 order by a.attnum
select attrelid::regclass, count(*) from pg_attribute where attrelid in ('pg_class'::regclass, 'pg_type'::regclass) and attnum = 1 group by attrelid order by count(*), attrelid
select array_agg(t.oid::regtype order by t.oid) from pg_type t where t.oid in (16, 20, 23)
select case when true then 'int4'::regtype end, coalesce(null, 'int4'::regtype)
select format('%s', 'int4'::regtype), concat('a ', 'int4'::regtype), quote_literal('int4'::regtype)
select x from (select 'int4'::regtype as x) as t
select distinct typelem::regtype from pg_type where typname in ('_int4', '_bool') order by 1
-- What tables have without showing it.
select tableoid::regclass, relname from pg_class where relname = 'pg_class'
select c.tableoid, c.tableoid::regclass as t from pg_class as c where c.oid = 1259
select l.tableoid = 'pg_language'::regclass, l.lanname from pg_language l where lanname = 'sql'
select xmax, cmax from pg_namespace where nspname = 'pg_catalog'
select n.xmax::text from pg_namespace n, pg_class c where c.relnamespace = n.oid and c.oid = 1259
select tableoid from (select 1 as n) as t
select tableoid from pg_views
select tableoid from pg_class, pg_type  -- differs: said to be absent, not to be ambiguous
-- Parts of texts.
select regexp_split_to_array('a, b,c', ',\s*'), regexp_split_to_array('abc', ''), regexp_split_to_array('', ','), regexp_split_to_array('a', 'b')
select regexp_split_to_array('aXbxc', 'x', 'i'), regexp_split_to_array('a.b', '.', 'q'), regexp_split_to_array(null, 'a'), regexp_split_to_array('a', null)
select regexp_split_to_array('1a2', '[a-z]')::int[]
select regexp_split_to_table('a b  c', '\s+')
select * from regexp_split_to_table('a b  c', '\s+')
select w from regexp_split_to_table('a b  c', '\s+') as w
select t.w from regexp_split_to_table('a b', ' ') as t (w)
select n, w from (values (1, 'a b'), (2, 'c')) as t (n, s), regexp_split_to_table(t.s, ' ') as w order by n, w
select n, regexp_split_to_table(s, ' ') as w from (values (1, 'a b'), (2, 'c')) as t (n, s) order by n, w
select regexp_split_to_array('a', 'a', 'g')
select regexp_split_to_array('a', 'a', 'z')
-- Queries as values.
select 1 in (select 1), 1 in (select 2), 1 not in (select 2), 1 in (select null::int), null in (select 1), 1 in (select 1 where false), null in (select 1 where false)
select n, n in (select 2) as two, n not in (values (1), (null)) as other from (values (1), (2), (3)) as t (n) order by n
select n in (select m from (values (1), (2)) as u (m) where m <> n) from (values (1), (3)) as t (n) order by n  -- differs: the engine compares such a query's columns by = only
select exists (select 1), exists (select 1 where false), not exists (select 1 where false), exists (select count(*) from pg_class where false)
select exists (select 1 from (values (1)) as u (m) where m = n) as found from (values (1), (2)) as t (n) order by n
select case when 'a' in (select 'a') then 'yes' else 'no' end
select n from (values (1), (2), (3)) as t (n) order by n in (select 2), n
select count(*), n in (select 2) as two from (values (1), (2), (3)) as t (n) group by n in (select 2) order by 2
select 1.5 in (select 1), 1 in (select 1.0), 'a' in (select 'a'::name)
select array(select n from (values (2), (1)) as t (n) order by n), array(select 1 where false)
select t.typname in (select relname from pg_class where relkind = 'r'), 'int4' in (select typname from pg_type) from pg_type t where t.typname = 'bool'
-- The names of columns of queries inside.
select count from (select count(*) from (values (1), (2)) as t (n)) as s
with w as (select n, count(1), row_number() over (order by n) from (values (1), (1)) as t (n) group by n) select n, count, row_number from w
select lower, upper from (select lower('A'), upper('b')) as s
select s.abs from (select abs(n) from (values (-1), (2)) as t (n) order by abs(n) desc) as s  -- differs: a query in FROM promises no order
select "case", "int4", coalesce from (select case when true then 1 end, '7'::int4, coalesce(null, 2)) as s
select * from (select max(n), min(n) from (values (1), (2)) as t (n)) as s
select n, max from (select n % 2 as n, max(n) from (values (1), (2), (3)) as t (n) group by 1 having max(n) > 2) as s
select sum from (select sum(n) from (values (1)) as t (n) union all select 5) as s order by 1
select max from (select max(n), max(n) from (values (1)) as t (n)) as s  -- differs: the engine wants names of columns in FROM to be different
-- Plans.
explain (format nonsense) select 1
explain (nonsense) select 1
explain (timing) select 1
explain (costs maybe) select 1
