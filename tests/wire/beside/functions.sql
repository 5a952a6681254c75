-- Settings and sets that are relations.
select setting from pg_catalog.pg_show_all_settings() st where st.name = 'bytea_output'
select set_config('bytea_output', 'hex', false) from pg_show_all_settings() where name = 'bytea_output'
select (select st.setting from pg_catalog.pg_show_all_settings() st where st.name = 'default_table_access_method') as x
select current_setting('default_tablespace'), current_setting('default_table_access_method')
select word, catcode from pg_catalog.pg_get_keywords() where word in ('select', 'abort', 'user') order by word
set application_name = 'here'
select name, setting from pg_settings where name = 'application_name'
-- The database and its views.
select oid > 16383 from pg_database where datname = current_database() -- differs: a database that initdb made
select c.relname from pg_class c where c.relhasrules and exists (select 1 from pg_catalog.pg_rewrite r where r.ev_class = c.oid and bpchar(r.ev_type) = '1'::bpchar) and c.relkind = 'v'::char and c.relname in ('pg_roles', 'pg_class')
select rulename, ev_type, ev_enabled, is_instead from pg_rewrite where ev_class = 'pg_user'::regclass
select lanname, lanispl, lanpltrusted from pg_language where lanname in ('c', 'internal', 'sql') order by lanname
select castsource::regtype, casttarget::regtype, castcontext from pg_cast where castsource = 'int4'::regtype and casttarget in ('int8'::regtype, 'oid'::regtype, 'numeric'::regtype, 'bool'::regtype) order by 2
select distinct aggkind from pg_aggregate where aggfnoid in (select oid from pg_proc where proname = 'max')
-- Lists of rights.
select (acl).grantee, (acl).is_grantable, (acl).privilege_type from (select pg_catalog.aclexplode(acldefault('f', 10::oid)) as acl) d order by 1
select makeaclitem(0, 10, 'SELECT', false)::text = '=r/' || (select rolname from pg_roles where oid = 10)
select a.grantee, a.privilege_type, a.is_grantable from aclexplode(acldefault('r', 10::oid)) as a where a.grantee = 10 order by 2
select * from aclexplode(acldefault('n', 10::oid)) order by privilege_type
select (aclexplode(acldefault('f', 10::oid))).grantee order by 1
select privilege_type, is_grantable from aclexplode(array[makeaclitem(0, 10, 'SELECT', true), makeaclitem(0, 10, 'insert', false)])
select makeaclitem(0, 10, 'NONSENSE', false)  -- differs: the columns are told before the call fails
select acldefault('z', 10)  -- differs: the columns are told before the call fails
select distinct (aclexplode(relacl)).privilege_type from pg_class where relname = 'pg_class' and (1 = 1) and relacl is not null order by 1 -- differs: the owner of a catalog may only read here
select distinct a.privilege_type from pg_class c, aclexplode(c.relacl) as a where c.relname = 'pg_type' and a.grantee = 0
select c.relname, a.privilege_type, a.is_grantable from pg_class c cross join lateral aclexplode(c.relacl) as a where c.relname in ('pg_type', 'pg_class') and a.grantee = 0 order by 1
select c.relname, a.* from pg_class c left join lateral aclexplode(null::aclitem[]) as a on true where c.relname = 'pg_type'
select n.nspname, a.privilege_type from pg_namespace n join lateral aclexplode(n.nspacl) a on a.grantee = 0 where n.nspname = 'pg_catalog'
select t.n, u.x from (values (1, array['a', 'b']), (2, array['c'])) as t (n, l) cross join lateral unnest(t.l) as u (x) order by t.n, u.x
select t.n, u from (values (1, array[1, 2]), (2, null)) as t (n, l), unnest(t.l) as u order by n, u
select * from (values (1, 'a b'), (2, 'c')) as t (n, s), regexp_split_to_table(t.s, ' ') as w order by n, w
select n, w from (values (1, array[1, 2]), (2, array[]::int[])) as t (n, l) left join lateral unnest(t.l) as w on true order by n, w
select q.who, privilege_type from (select relacl, grantee as who from (select relacl, 7 as grantee from pg_class where relname = 'pg_type') p) q, aclexplode(q.relacl) as a where a.grantee = 0
select (acl).grantee, (acl).privilege_type from (select defaclobjtype, pg_catalog.aclexplode(defaclacl) as acl from pg_namespace nsp left outer join pg_default_acl dacl on dacl.defaclnamespace = nsp.oid where nsp.oid = 11) d
select d.grantee, d.privilege_type from pg_catalog.aclexplode((select relacl from pg_class where relname = 'pg_type')) d where d.grantee = 0
select tr.relname, tr.granteei from (select relname, (aclexplode(relacl)).grantee as granteei from pg_class where relacl is not null and relname = 'pg_type' union all select n.nspname as relname, (aclexplode(nspacl)).grantee as granteei from pg_catalog.pg_namespace n where n.nspacl is not null and nspname = 'pg_catalog') as tr where tr.granteei = 0 order by 1
-- Parts of texts.
select substring('check_option=local' from 'check_option=([a-z]*)'), substring('WHEN (a) EXECUTE x', 'WHEN (.*) EXECUTE'), substring('foobar' from 'o.b'), substring('foobar' from 'z')
select pg_catalog.substring('abcdef', 2, 3), pg_catalog.substring('abcdef', 'c.'), substring('abcdef' from 2), substring('abcdef', 2, 2)
select substring(s from p) from (values ('abc', 'b.'), ('abc', null), ('xyz', 'z')) as t (s, p)
select substring(s from n) from (values ('abcdef', 2), ('abcdef', -1)) as t (s, n)
select substring('abc' from '(')  -- differs: the columns are told before the call fails
select bpchar('1'), bpchar('1'::"char") = '1'::bpchar
select pg_catalog.oidvectortypes(proargtypes) from pg_proc where proname = 'format_type'
select encode('\x00ff61'::bytea, 'escape'), encode('\x0061ff'::bytea, 'hex'), encode('abc'::bytea, 'base64'), encode(decode('a\000b', 'escape'), 'hex')
select decode('YWJj', 'base64'), decode('0061', 'hex'), encode(null, 'hex')
select (pg_catalog.string_to_array(encode('a\000b\000'::bytea, 'escape'), E'\\000')::text[])[1:2]
select quote_ident('table'), quote_ident('abort'), quote_ident('user'), quote_ident('Name'), format('%I', 'select'), format('%I.%I', 'a', 'left')
-- JSON.
select '{"a": {"b": [1, "x", null]}}'::json -> 'a', '{"a": {"b": 2}}'::json ->> 'a', '[1, 2, 3]'::json -> 1, '[1, "x"]'::json ->> -1, '{"a": 1}'::json -> 'z'
select '{"a": {"b": 2}}'::json #>> array['a', 'b'], '{"a": {"b": [5, 6]}}'::json #> '{a,b}', '{"a":{"b":[5,6]}}'::json #>> '{a,b,1}'
select ('{"a": {"b": 2}}'::json #>> array['a', 'b']::text[])::bigint
select '{"b":1,  "a":[1,2 ,{}],"a":2}'::jsonb, '{"b":1,  "a":2}'::json, '1e2'::jsonb
select '{"b":{"z":1,"a":2}}'::jsonb -> 'b', '{"b":{"z":1,"a":2}}'::json -> 'b'
select '{a}'::json
select to_json(1), to_json('a'::text), to_json(array[1, 2]), to_json(true), to_json(null::int), to_json(1.5)
select to_jsonb(array['a', 'b']), to_json(timestamp '2024-01-02 03:04:05'), to_json(date '2024-01-02'), to_json('{"a": 1}'::json)
select row_to_json(row(1, 'a')), row_to_json(t) from (select 1 as a, 'x' as "B c", null::int as n) t
select 'a' as chart_name, pg_catalog.row_to_json(t) as chart_data from (select (select count(*) from pg_class where relname = 'pg_class') as "Total") t
select row_to_json(t, true) from (select 1 as a, 'x' as b) t
select to_jsonb(t) from (values (1, 'a')) as t (n, s)
select json_agg(n order by n desc), jsonb_agg(s order by n), json_agg(n) filter (where n > 5) from (values (1, 'a'), (2, null)) as t (n, s)
select json_agg(t order by n) from (values (1, 'a'), (2, null)) as t (n, s)
select jsonb_agg(t order by n) from (values (1, 'a'), (2, null)) as t (n, s)
select json_object_agg(s, n order by n), jsonb_object_agg(s, n) from (values (1, 'a'), (2, 'b')) as t (n, s)
select json_build_object('a', 1, 'b', array[1, 2]), jsonb_build_object('a', 1), json_build_array(1, 'x', null), jsonb_build_array(1, 2)
select json_typeof('[1]'), jsonb_typeof('"a"'), json_array_length('[1, 2]'), json_extract_path('{"a": {"b": 1}}', 'a', 'b'), json_extract_path_text('{"a": "x"}', 'a')
select * from json_array_elements('[1, {"a": 2}]')
select value from jsonb_array_elements_text('["a", "b"]')
select json_object_keys('{"a": 1, "b": 2}')
select * from json_each_text('{"a": 1, "b": "x"}')
select key, value from json_each('{"a": {"b": 1}}')
select t.n, e.value from (values (1, '["a", "b"]'::json), (2, '["c"]'::json)) as t (n, j), json_array_elements_text(t.j) as e order by 1, 2
-- Times.
select age(timestamp '2024-03-01', timestamp '2024-01-31'), age(timestamp '2024-01-31', timestamp '2024-03-01'), age(timestamp '2001-04-10', timestamp '1957-06-13'), age('1'::xid)
select extract(year from age(timestamp '2024-05-01', timestamp '2020-06-01'))
select timezone('Europe/Rome', timestamp '2024-01-01'), timezone('Europe/Rome', timestamptz '2024-07-01 00:00+00'), timestamp '2024-03-31 02:30' at time zone 'Europe/Rome', timestamptz '2024-01-01 00:00+00' at time zone '+02'
select timezone('Europe/Rome', timezone('UTC', timestamp '2024-07-01 12:00'))
select timezone('nowhere', timestamp '2024-01-01')  -- differs: the columns are told before the call fails
select make_date(2013, 7, 15), make_time(8, 15, 23.5), make_timestamp(2013, 7, 15, 8, 15, 23.5), make_timestamptz(2013, 7, 15, 8, 15, 23.5, 'Europe/Rome'), make_interval(days => 10, secs => 1.5), make_interval(1, 2, 3, 4)
select make_date(2024, 2, 30)
select to_timestamp('05 Dec 2000', 'DD Mon YYYY'), to_date('20240102', 'YYYYMMDD'), to_timestamp('20240102030405', 'YYYYMMDDHH24MISS'), to_timestamp('2024-01-02 03:04:05.678 PM', 'YYYY-MM-DD HH12:MI:SS.MS AM')
select to_timestamp('2024-01-02T03:04:05', 'YYYY-MM-DD"T"HH24:MI:SS'), to_date('99', 'YY'), to_date('2024 100', 'YYYY DDD')
select to_char(timestamp '2024-01-02 15:04:05.678', 'Day, DD Month YYYY HH12:MI:SS.MS AM Dy Mon Q DDD WW IW IYYY D ID J CC'), to_char(date '2024-01-02', 'YYYY"Q"Q'), to_char(interval '1 day 2 hours', 'DD HH24:MI:SS')
select to_char(timestamptz '2024-01-02 15:04:05+00', 'YYYY-MM-DD HH24:MI:SS TZ OF TZH:TZM'), to_char(timestamp '2024-01-02 03:04:05', 'FMDDth FMMonth FMHH12 am')
select to_char(1234.5, '9999.99'), to_char(1234.5, 'FM9,999.00'), to_char(-1, '999'), to_char(12, '000'), to_char(0.1, 'FM0.99'), to_char(1234567.891, '9,999,999.99'), to_char(-5.5, 'S99.9'), to_char(5, '99MI')
select pg_column_is_updatable('pg_user'::regclass, 1::int2, false), pg_relation_is_updatable('pg_tables'::regclass, true)
create table f_written (a int)
select pg_relation_is_updatable('f_written'::regclass, false), pg_column_is_updatable('f_written'::regclass, 1::int2, false)
select relacl, aclexplode(relacl) from pg_class where relname = 'f_written'
select jsonb_pretty('{"a": {"b": [1, {"c": "x"}], "e": {}, "f": []}, "d": null}'), jsonb_pretty('[]'), jsonb_pretty(null)
