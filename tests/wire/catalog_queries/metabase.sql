-- What Metabase's synchronisation asks for.
select n.nspname as schema, c.relname as name, case c.relkind when 'r' then 'TABLE' when 'v' then 'VIEW' else 'OTHER' end as type, d.description, stat.n_live_tup as estimated_row_count
from pg_catalog.pg_class as c inner join pg_catalog.pg_namespace as n on c.relnamespace = n.oid
left join pg_catalog.pg_description as d on c.oid = d.objoid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass
left join pg_stat_user_tables as stat on n.nspname = stat.schemaname and c.relname = stat.relname
where c.relnamespace = n.oid and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind in ('r', 'p', 'v', 'f', 'm') order by type, schema, name;
select c.column_name as name, c.udt_name as "database-type", c.table_schema as "table-schema", c.table_name as "table-name", pk.column_name is not null as "pk?",
       c.ordinal_position - 1 as "database-position", col_description(cast(format('%I.%I', c.table_schema, c.table_name) as regclass), c.ordinal_position) as "field-comment",
       (c.is_nullable = 'NO') as "database-required"
from information_schema.columns as c
left join (select tc.table_schema, tc.table_name, kc.column_name from information_schema.table_constraints as tc
           inner join information_schema.key_column_usage as kc on tc.constraint_name = kc.constraint_name and tc.table_schema = kc.table_schema
           where tc.constraint_type = 'PRIMARY KEY') as pk
  on c.table_schema = pk.table_schema and c.table_name = pk.table_name and c.column_name = pk.column_name
where c.table_schema !~ '^information_schema|catalog_history|pg_' order by 1;
with table_privileges as (
  select null as role, t.schemaname as schema, t.objectname as table, pg_catalog.has_any_column_privilege(current_user, '"' || t.schemaname || '"."' || t.objectname || '"', 'update') as update
  from (select schemaname, tablename as objectname from pg_catalog.pg_tables union select schemaname, viewname as objectname from pg_views) t
  where t.schemaname !~ '^pg_' and t.schemaname <> 'information_schema' and pg_catalog.has_schema_privilege(current_user, t.schemaname, 'usage'))
select t.* from table_privileges t;
select nspname, typname from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.oid in (select distinct e.enumtypid from pg_enum e);
select fk_ns.nspname as "fk-table-schema", fk_table.relname as "fk-table-name", pk_table.relname as "pk-table-name" from pg_constraint as c
inner join pg_class as fk_table on c.conrelid = fk_table.oid inner join pg_namespace as fk_ns on c.connamespace = fk_ns.oid
inner join pg_class as pk_table on c.confrelid = pk_table.oid where c.contype = 'f' order by 1, 2;
