create role anna
create role bert noinherit connection limit 3 valid until '2031-05-01 00:00:00+00'
create role carl createrole
create role readers
create role "Dora Dee"
create role anna
grant readers to anna
grant readers to bert
grant anna to carl with admin option
grant readers to nobody
select rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit, rolpassword, rolvaliduntil, rolbypassrls from pg_roles where rolname in ('anna', 'bert', 'carl', 'readers') order by 1
select r.rolname, m.rolname, a.admin_option from pg_auth_members a join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member where m.rolname in ('anna', 'bert', 'carl') order by 1, 2
select groname, array_length(grolist, 1) from pg_group where groname in ('readers', 'carl') order by 1
select usename, usesuper from pg_user where usename in ('anna', 'postgres')
select pg_has_role('anna', 'readers', 'member'), pg_has_role('anna', 'readers', 'usage'), pg_has_role('bert', 'readers', 'member'), pg_has_role('bert', 'readers', 'usage'), pg_has_role('carl', 'readers', 'member'), pg_has_role('readers', 'carl', 'member'), pg_has_role('carl', 'anna', 'member with admin option'), pg_has_role('anna', 'readers', 'usage with grant option'), pg_has_role('anna', 'anna', 'usage'), pg_has_role('postgres', 'anna', 'usage')
select pg_has_role('readers', 'usage')
select pg_has_role('nobody', 'usage')
select pg_has_role('anna', 'readers', 'fly')
select pg_has_role(null, 'usage')
select pg_has_role(999999::oid, 'anna', 'usage')
select 'anna'::regrole, '"Dora Dee"'::regrole::text, to_regrole('nobody') is null
select 'nobody'::regrole
select pg_get_userbyid('carl'::regrole), pg_get_userbyid(999999)
select role_name from information_schema.enabled_roles where role_name in ('anna', 'readers', 'carl') order by 1
select grantee, role_name, is_grantable from information_schema.applicable_roles where grantee in ('anna', 'bert', 'carl') order by 1, 2
select grantee, role_name, is_grantable from information_schema.administrable_role_authorizations where grantee in ('anna', 'bert', 'carl') order by 1, 2
set role anna
select role_name from information_schema.enabled_roles where role_name in ('anna', 'readers', 'carl') order by 1
select grantee, role_name from information_schema.applicable_roles where grantee in ('anna', 'bert', 'carl') order by 1, 2
select current_user, session_user
reset role
create schema work authorization anna
create schema shop
set role anna
create table work.t (a int, b text)
create table work.u (a int)
create view work.v as select a from work.t
create table shop.t (a int)
reset role
select nspname, nspowner::regrole, nspacl from pg_namespace where nspname in ('work', 'shop') order by 1
select relname, pg_get_userbyid(relowner), relacl from pg_class where relnamespace = 'work'::regnamespace and relkind in ('r', 'v') order by 1
grant usage on schema work to bert, public
grant usage, create on schema shop to anna with grant option
grant select, insert on work.t to bert
grant select on work.t to public
grant update on work.t to bert with grant option
grant all on work.u to readers, "Dora Dee"
grant delete on work.v to carl
select nspname, nspowner::regrole, nspacl from pg_namespace where nspname in ('work', 'shop') order by 1
select relname, pg_get_userbyid(relowner), relacl from pg_class where relnamespace = 'work'::regnamespace and relkind in ('r', 'v') order by 1
select tablename, tableowner from pg_tables where schemaname = 'work' order by 1
select viewname, viewowner from pg_views where schemaname = 'work'
select schema_name, schema_owner from information_schema.schemata where schema_name in ('work', 'shop') order by 1
select grantor, grantee, table_schema, table_name, privilege_type, is_grantable, with_hierarchy from information_schema.table_privileges where table_schema = 'work' order by 4, 2, 5
select grantor, grantee, table_name, privilege_type, is_grantable from information_schema.role_table_grants where table_schema = 'work' order by 3, 2, 4
select grantee, table_name, column_name, privilege_type, is_grantable from information_schema.column_privileges where table_schema = 'work' and grantee <> 'anna' order by 2, 3, 1, 4
set role bert
select grantor, grantee, table_name, privilege_type, is_grantable from information_schema.role_table_grants where table_schema = 'work' order by 3, 2, 4
select grantor, grantee, table_name, privilege_type, is_grantable from information_schema.table_privileges where table_schema = 'work' order by 3, 2, 4
reset role
select has_table_privilege('bert', 'work.t', 'select'), has_table_privilege('bert', 'work.t', 'delete'), has_table_privilege('bert', 'work.t', 'select, delete'), has_table_privilege('bert', 'work.t', 'update with grant option'), has_table_privilege('bert', 'work.t', 'insert with grant option'), has_table_privilege('anna', 'work.t', 'truncate with grant option'), has_table_privilege('carl', 'work.t', 'select'), has_table_privilege('public', 'work.t', 'select')
select has_table_privilege('anna', 'work.u', 'trigger'), has_table_privilege('bert', 'work.u', 'select'), has_table_privilege('carl', 'work.u', 'select'), has_table_privilege('Dora Dee', 'work.u', 'references'), has_table_privilege('postgres', 'work.u', 'insert with grant option')
select has_table_privilege('bert', 'work.t'::regclass, 'select'), has_table_privilege('bert'::regrole, 'work.t', 'select'), has_table_privilege('bert'::regrole, 'work.t'::regclass, 'delete'), has_table_privilege('work.t', 'select'), has_table_privilege('work.t'::regclass, 'select')
select has_table_privilege('anna', 999999::oid, 'select'), has_table_privilege(999999::oid, 'work.t', 'select'), has_table_privilege(999999::oid, 'work.t', 'delete')
select has_table_privilege('anna', 'work.nosuch', 'select')
select has_table_privilege('anna', 'nosuch.t', 'select')
select has_table_privilege('nobody', 'work.t', 'select')
select has_table_privilege('anna', 'work.t', 'fly')
select has_table_privilege('anna', 'work.t', 'select, fly')
select has_table_privilege('anna', null, 'select')
select relname, has_table_privilege('bert', oid, 'select'), has_table_privilege('carl', oid, 'select'), has_table_privilege('bert', oid, 'insert') from pg_class where relnamespace = 'work'::regnamespace and relkind in ('r', 'v') order by 1
select has_any_column_privilege('bert', 'work.t', 'select'), has_any_column_privilege('bert', 'work.u', 'select'), has_any_column_privilege('work.u', 'select')
select has_any_column_privilege('bert', 'work.t', 'delete')
select has_column_privilege('bert', 'work.t', 'a', 'select'), has_column_privilege('bert', 'work.t', 2::int2, 'select'), has_column_privilege('bert', 'work.u', 'a', 'select'), has_column_privilege('work.u', 'a', 'insert'), has_column_privilege('bert', 'work.t'::regclass, 1::int2, 'references')
select has_column_privilege('bert', 'work.t', 'nosuch', 'select')
select has_column_privilege('bert', 'work.t', 99::int2, 'select')
select has_schema_privilege('bert', 'work', 'usage'), has_schema_privilege('bert', 'work', 'create'), has_schema_privilege('bert', 'work', 'usage, create'), has_schema_privilege('anna', 'shop', 'create with grant option'), has_schema_privilege('bert', 'shop', 'usage'), has_schema_privilege('anna', 'work', 'create'), has_schema_privilege('shop', 'create')
select has_schema_privilege('bert', 'work'::regnamespace, 'usage'), has_schema_privilege('bert', 999999::oid, 'usage')
select has_schema_privilege('bert', 'nosuch', 'usage')
select has_schema_privilege('bert', 'work', 'select')
select has_database_privilege('bert', current_database(), 'connect'), has_database_privilege('bert', current_database(), 'create'), has_database_privilege('bert', current_database(), 'temp'), has_database_privilege(current_database(), 'create'), has_database_privilege('bert', 999999::oid, 'connect')
select has_database_privilege('bert', 'nosuch', 'connect')
select has_database_privilege('bert', current_database(), 'select')
select has_function_privilege('bert', 'lower(text)', 'execute'), has_function_privilege('lower(text)', 'execute'), has_function_privilege('bert', 'lower(text)', 'execute with grant option')
select has_function_privilege('bert', 'nosuch(text)', 'execute')
select has_function_privilege('bert', 'lower', 'execute')
select has_function_privilege('bert', 999999::oid, 'execute')
set role bert
grant update on work.t to carl
grant select on work.t to carl
grant select, update on work.t to carl
grant all on work.t to carl
grant select on work.u to carl
revoke select on work.t from carl -- differs: PostgreSQL warns of every column, too
grant usage on schema work to carl
grant create on schema shop to carl
reset role
select relacl from pg_class where oid = 'work.t'::regclass -- differs: who granted a right is not kept, the owner is shown
grant select on work.t to public with grant option
grant select on work.t to nobody
grant usage on work.t to anna
grant fly on work.t to anna
revoke grant option for update on work.t from bert cascade
select has_table_privilege('bert', 'work.t', 'update'), has_table_privilege('bert', 'work.t', 'update with grant option')
revoke all on work.t from carl
begin
grant delete on work.t to bert
select has_table_privilege('bert', 'work.t', 'delete')
rollback
select has_table_privilege('bert', 'work.t', 'delete')
alter table work.t rename to t2
select has_table_privilege('bert', 'work.t2', 'insert'), has_table_privilege('bert', 'work.t2', 'delete')
alter table work.t2 rename to t
create table work.gone (a int)
grant select on work.gone to bert
drop table work.gone
create table work.gone (a int)
select has_table_privilege('bert', 'work.gone', 'select'), (select relacl is null from pg_class where oid = 'work.gone'::regclass)
grant select on work.gone to bert
begin
drop table work.gone
rollback
select has_table_privilege('bert', 'work.gone', 'select')
drop table work.gone
create schema brief
create table brief.t (a int)
grant usage on schema brief to bert
grant select on brief.t to bert
drop schema brief cascade
create schema brief
create table brief.t (a int)
select has_schema_privilege('bert', 'brief', 'usage'), has_table_privilege('bert', 'brief.t', 'select')
drop schema brief cascade
create table shop.log (a int, b text default 'x')
grant usage on schema shop to bert
grant insert, update, delete on shop.log to bert
set role bert
insert into shop.log values (1, 'one'), (2, 'two')
insert into shop.log (a) values (3)
insert into shop.log select a, b from work.t
insert into shop.log select * from shop.log
select * from shop.log
update shop.log set b = 'y'
update shop.log set a = a + 1
update shop.log set b = 'z' where a = 1
delete from shop.log where a = 1
delete from shop.log where true
delete from shop.log
truncate shop.log
copy shop.log to stdout
drop table shop.log
alter table shop.log rename to x
comment on table shop.log is 'mine'
reset role
grant select on shop.log to bert
set role bert
insert into shop.log values (1, 'one')
update shop.log set b = 'z' where a = 1
select * from shop.log
delete from shop.log where a = 1
reset role
insert into work.t values (1, 'x')
revoke select on work.t from public, bert
grant select on work.v to bert
set role bert
select * from work.v
select * from work.t
reset role
alter view work.v set (security_invoker = true)
select reloptions from pg_class where oid = 'work.v'::regclass
set role bert
select * from work.v
reset role
alter view work.v reset (security_invoker)
set role bert
select * from work.v
reset role
create view shop.w with (security_invoker) as select a from work.v
alter view shop.w owner to carl
grant select on shop.w to bert
set role bert
select * from shop.w
reset role
revoke select on work.v from bert
set role bert
select * from shop.w
reset role
create table shop.secret (a int)
insert into shop.secret values (7)
create view shop.shown as select a from shop.secret
alter view shop.shown owner to anna
grant select on shop.shown to bert
set role bert
select * from shop.shown
reset role
grant select on shop.secret to anna
set role bert
select * from shop.shown
reset role
create view shop.bad with (security_fly = true) as select 1 as a
create view shop.bad with (security_invoker = 7) as select 1 as a
drop role anna
drop role bert
drop role nobody
drop role if exists nobody
alter table work.u owner to bert
select pg_get_userbyid(relowner), relacl from pg_class where oid = 'work.u'::regclass
alter table work.u owner to nobody
set role bert
alter table work.u owner to carl -- differs: as PostgreSQL 16 says it, must be able to SET ROLE
reset role
reassign owned by bert to anna
select pg_get_userbyid(relowner) from pg_class where oid = 'work.u'::regclass
drop owned by bert
drop role bert
alter role "Dora Dee" rename to dora
select has_table_privilege('dora', 'work.u', 'select')
drop owned by anna
drop owned by anna cascade
select count(*) from pg_namespace where nspname = 'work'
drop owned by carl, readers, dora
drop role anna, carl, readers, dora
drop schema shop cascade
