-- What drivers ask for while they connect and look types up: JDBC, asyncpg, psycopg, psqlodbc, DuckDB, SQLAlchemy.
select typinput = 'pg_catalog.array_in'::regproc as is_array, typtype, typname, pg_type.oid from pg_catalog.pg_type
left join (select ns.oid as nspoid, ns.nspname, r.r from pg_namespace as ns
           join (select s.r, (current_schemas(false))[s.r] as nspname from generate_series(1, array_upper(current_schemas(false), 1)) as s(r)) as r using (nspname)) as sp
  on sp.nspoid = typnamespace where pg_type.oid = 1022 order by sp.r, pg_type.oid desc;
select t.typname, t.oid from pg_catalog.pg_type t join pg_catalog.pg_namespace n on (t.typnamespace = n.oid)
where n.nspname <> 'pg_toast' and (t.typrelid = 0 or (select c.relkind = 'c' from pg_catalog.pg_class c where c.oid = t.typrelid));
select null as table_cat, n.nspname as table_schem, ct.relname as table_name, a.attname as column_name, (information_schema._pg_expandarray(i.indkey)).n as key_seq, ci.relname as pk_name
from pg_catalog.pg_class ct join pg_catalog.pg_attribute a on (ct.oid = a.attrelid) join pg_catalog.pg_namespace n on (ct.relnamespace = n.oid)
join pg_catalog.pg_index i on (a.attrelid = i.indrelid) join pg_catalog.pg_class ci on (ci.oid = i.indexrelid) where i.indisprimary and n.nspname = 'gold';
select t.oid, t.typelem, t.typtype::text as kind, t.typelem <> 0 and t.typlen = -1 as is_list, t.typreceive::oid <> 0 and t.typsend::oid <> 0 as has_binary
from pg_catalog.pg_type t where t.oid = any ('{701,1022}'::oid[]) order by t.oid;
select typname as name, oid, typarray as array_oid, oid::regtype::text as regtype, typdelim as delimiter from pg_type t where t.oid = to_regtype('float8') order by t.oid;
select t.typname as name, coalesce(a.fnames, '{}') as field_names from pg_type t
left join (select attrelid, array_agg(attname) as fnames from (select a.attrelid, a.attname from pg_attribute a where a.attnum > 0 order by a.attnum) x group by attrelid) a
  on a.attrelid = t.typrelid where t.oid = to_regtype('json');
select pg_namespace.oid, relnamespace, relname, relpages, attname, pg_type.typname type_name, atttypmod type_modifier, pg_attribute.attndims ndim, attnum, pg_attribute.attnotnull as notnull
from pg_class join pg_namespace on relnamespace = pg_namespace.oid join pg_attribute on pg_class.oid = pg_attribute.attrelid join pg_type on atttypid = pg_type.oid
where attnum > 0 and relkind in ('r', 'v', 'm', 'f', 'p') and relname = 'pg_am' order by pg_namespace.oid, relname, attnum;
select nspname from pg_catalog.pg_namespace where nspname not like 'pg/_%' escape '/' order by nspname;
select a.attname as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as format_type,
       (select pg_catalog.pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum and a.atthasdef) as "default",
       a.attnotnull as not_null, c.relname as table_name, d.description as comment, a.attgenerated as generated,
       (select json_build_object('always', a.attidentity = 'a', 'start', s.seqstart) from pg_catalog.pg_sequence s where s.seqrelid = a.attrelid) as identity_options
from pg_catalog.pg_class c left outer join pg_catalog.pg_attribute a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
left outer join pg_catalog.pg_description d on d.objoid = a.attrelid and d.objsubid = a.attnum where c.relname = any (array['pg_am']) order by c.relname, a.attnum;
select current_schema(), current_database(), current_user, session_user, pg_backend_pid(), version(), current_setting('server_version');
select relname, nspname, relkind from pg_catalog.pg_class c, pg_catalog.pg_namespace n where relkind in ('r', 'v') and nspname not in ('pg_toast') and n.oid = relnamespace and relname like 'pg\_am%' order by nspname, relname;
select n.nspname, c.relname, a.attname, a.atttypid, t.typname, a.attnum, a.attlen, a.atttypmod, a.attnotnull, c.relhasrules, c.relkind, c.oid, pg_get_expr(d.adbin, d.adrelid),
       case t.typtype when 'd' then t.typbasetype else 0 end, t.typtypmod
from (((pg_catalog.pg_class c inner join pg_catalog.pg_namespace n on n.oid = c.relnamespace and c.relname = 'pg_am')
  inner join pg_catalog.pg_attribute a on (not a.attisdropped) and a.attnum > 0 and a.attrelid = c.oid) inner join pg_catalog.pg_type t on t.oid = a.atttypid)
  left outer join pg_attrdef d on a.atthasdef and d.adrelid = a.attrelid and d.adnum = a.attnum order by n.nspname, c.relname, attnum;
select array(select c.relname from pg_class c where c.relname in ('pg_am', 'pg_class') order by c.relname) as names;
select c.oid::regclass as named, 'pg_class'::regclass as literal, c.relnamespace::regnamespace as space, a.atttypid::regtype as typed from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relname = 'pg_am' order by a.attnum;
select pg_size_pretty(pg_total_relation_size(c.oid)) as size, obj_description(c.oid) as about, has_table_privilege(c.oid, 'select') as readable, pg_table_is_visible(c.oid) as visible from pg_class c where c.relname = 'pg_am';
