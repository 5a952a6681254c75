-- What DBeaver's navigator asks for.
select db.oid, db.* from pg_catalog.pg_database db where datallowconn and not datistemplate or db.datname = 'placido' order by db.datname;
select n.oid, n.*, d.description from pg_catalog.pg_namespace n
left outer join pg_catalog.pg_description d on d.objoid = n.oid and d.objsubid = 0 and d.classoid = 'pg_namespace'::regclass order by nspname;
select t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) as base_type_name, d.description
from pg_catalog.pg_type t left outer join pg_catalog.pg_type et on et.oid = t.typelem left outer join pg_catalog.pg_class c on c.oid = t.typrelid
left outer join pg_catalog.pg_description d on t.oid = d.objoid where t.typname is not null and (c.relkind is null or c.relkind = 'c') and (et.typcategory is null or et.typcategory <> 'C');
select c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) as partition_expr, pg_catalog.pg_get_partkeydef(c.oid) as partition_key
from pg_catalog.pg_class c left outer join pg_catalog.pg_description d on d.objoid = c.oid and d.objsubid = 0 and d.classoid = 'pg_class'::regclass
where c.relnamespace = 11 and c.relkind not in ('i', 'I', 'c') and c.relname = 'pg_class';
select c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) as def_value, dsc.description, dep.objid
from pg_catalog.pg_attribute a inner join pg_catalog.pg_class c on (a.attrelid = c.oid)
left outer join pg_catalog.pg_attrdef ad on (a.attrelid = ad.adrelid and a.attnum = ad.adnum)
left outer join pg_catalog.pg_description dsc on (c.oid = dsc.objoid and a.attnum = dsc.objsubid)
left outer join pg_depend dep on dep.refobjid = a.attrelid and dep.deptype = 'i' and dep.refobjsubid = a.attnum and dep.classid = dep.refclassid
where not a.attisdropped and c.relname = 'pg_am' order by a.attnum;
select c.oid, c.*, t.relname as tabrelname, rt.relnamespace as refnamespace, d.description
from pg_catalog.pg_constraint c inner join pg_catalog.pg_class t on t.oid = c.conrelid left outer join pg_catalog.pg_class rt on rt.oid = c.confrelid
left outer join pg_catalog.pg_description d on d.objoid = c.oid and d.objsubid = 0 and d.classoid = 'pg_constraint'::regclass where c.conrelid = 0 order by c.oid;
select i.*, i.indkey as keys, c.relname, c.relnamespace, c.relam, c.reltablespace, tc.relname as tabrelname, pg_catalog.pg_get_expr(i.indpred, i.indrelid) as pred_expr
from pg_catalog.pg_index i inner join pg_catalog.pg_class c on c.oid = i.indexrelid inner join pg_catalog.pg_class tc on tc.oid = i.indrelid
where i.indrelid = 0 order by tabrelname, c.relname;
select p.oid as poid, p.*, pg_catalog.pg_get_expr(p.proargdefaults, 0) as arg_defaults, d.description from pg_catalog.pg_proc p
left outer join pg_catalog.pg_description d on d.objoid = p.oid and d.objsubid = 0 where p.pronamespace = 2200 order by p.proname;
select oid, rolname from pg_catalog.pg_roles order by rolname;
select current_schema(), session_user;
select string_agg(word, ',') from pg_catalog.pg_get_keywords() where word <> all ('{select,from}'::text[]);
