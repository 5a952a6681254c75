-- What pgAdmin's tree and dashboard ask for.
select db.oid as did, db.datname as name, ta.spcname as spcname, db.datallowconn, db.datistemplate as is_template,
       pg_catalog.has_database_privilege(db.oid, 'CREATE') as cancreate, datdba as owner, descr.description
from pg_catalog.pg_database db left outer join pg_catalog.pg_tablespace ta on db.dattablespace = ta.oid
left outer join pg_catalog.pg_shdescription descr on (db.oid = descr.objoid and descr.classoid = 'pg_database'::regclass)
where db.datallowconn order by datname;
select roles.oid as id, roles.rolname as name, roles.rolsuper as is_superuser,
       case when roles.rolsuper then true else roles.rolcreaterole end as can_create_role,
       array(select r.rolname from pg_catalog.pg_auth_members m join pg_catalog.pg_roles r on m.roleid = r.oid where m.member = roles.oid) as member_of
from pg_catalog.pg_roles as roles where rolname = current_user;
select nsp.oid, nsp.nspname as name, pg_catalog.has_schema_privilege(nsp.oid, 'CREATE') as can_create,
       pg_catalog.has_schema_privilege(nsp.oid, 'USAGE') as has_usage, des.description
from pg_catalog.pg_namespace nsp
left outer join pg_catalog.pg_description des on (des.objoid = nsp.oid and des.classoid = 'pg_namespace'::regclass)
where nspname not like E'pg\\_%' and not (
  (nsp.nspname = 'pg_catalog' and exists (select 1 from pg_catalog.pg_class where relname = 'pg_class' and relnamespace = nsp.oid limit 1))
  or (nsp.nspname = 'information_schema' and exists (select 1 from pg_catalog.pg_class where relname = 'tables' and relnamespace = nsp.oid limit 1)))
order by nspname;
select rel.oid, rel.relname as name, (select count(*) from pg_catalog.pg_trigger where tgrelid = rel.oid and tgisinternal = false) as triggercount,
       (select count(1) from pg_catalog.pg_inherits where inhrelid = rel.oid limit 1) as is_inherits, des.description
from pg_catalog.pg_class rel left join pg_catalog.pg_description des on (des.objoid = rel.oid and des.objsubid = 0 and des.classoid = 'pg_class'::regclass)
where rel.relkind in ('r', 's', 't', 'p') and not rel.relispartition order by rel.relname;
select c.oid, c.xmin, c.relname as name, pg_catalog.pg_get_userbyid(c.relowner) as owner, pg_catalog.pg_get_viewdef(c.oid, true) as definition,
       pg_catalog.array_to_string(c.relacl::text[], ', ') as acl
from pg_catalog.pg_class c where c.relkind = 'v' and c.relname = 'pg_views';
select att.attname as name, att.attnum as oid, pg_catalog.format_type(ty.oid, null) as datatype, pg_catalog.format_type(ty.oid, att.atttypmod) as displaytypname,
       case when ty.typelem > 0 then ty.typelem else ty.oid end as elemoid, pg_catalog.col_description(att.attrelid, att.attnum) as description,
       att.attnotnull as not_null, pg_catalog.pg_get_expr(def.adbin, def.adrelid) as defval
from pg_catalog.pg_attribute att join pg_catalog.pg_type ty on ty.oid = atttypid
left outer join pg_catalog.pg_attrdef def on adrelid = att.attrelid and adnum = att.attnum
where att.attrelid = 'pg_catalog.pg_class'::regclass and att.attnum > 0 and att.attisdropped is false order by att.attnum;
select pr.oid, pr.proname || '(' || coalesce(pg_catalog.pg_get_function_identity_arguments(pr.oid), '') || ')' as name, lanname,
       pg_catalog.pg_get_userbyid(proowner) as funcowner, description
from pg_catalog.pg_proc pr join pg_catalog.pg_type typ on typ.oid = prorettype join pg_catalog.pg_language lng on lng.oid = prolang
left outer join pg_catalog.pg_description des on (des.objoid = pr.oid and des.classoid = 'pg_proc'::regclass and des.objsubid = 0)
where pr.prokind in ('f', 'w') and proname = 'format_type' order by proname;
select (select count(*) from pg_catalog.pg_stat_activity where datname = current_database()) as "Total",
       (select count(*) from pg_catalog.pg_stat_activity where state = 'active' and datname = current_database()) as "Active";
select pid, datname, usename, application_name, client_addr, backend_start, state, wait_event_type, pg_catalog.pg_blocking_pids(pid) as blocking_pids, query
from pg_catalog.pg_stat_activity where datname = current_database() order by pid;
select pid, locktype, datname, relation::regclass, page, tuple, virtualtransaction, mode, granted from pg_catalog.pg_locks l
left outer join pg_catalog.pg_database d on (l.database = d.oid) order by pid, locktype;
select 'datacl' as deftype, coalesce(gt.rolname, 'PUBLIC') as grantee, g.rolname as grantor
from (select pg_catalog.aclexplode(db.datacl) as d from pg_catalog.pg_database db) x
left join pg_catalog.pg_roles g on true left join pg_catalog.pg_roles gt on true group by g.rolname, gt.rolname;
select name, setting, unit, category, short_desc from pg_catalog.pg_settings where name = 'search_path';
