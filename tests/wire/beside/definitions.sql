drop table nosuch.t
drop table if exists nosuch.t
drop table if exists nosuch
drop table nosuch
drop view nosuch
create table t (a int primary key, b varchar(3) not null default 'x', c text)
create table t (a int)
create table if not exists t (a int)
create view v as select * from t
drop table t
drop view t
drop table v
alter table nosuch rename to x
alter table if exists nosuch rename to x
alter table t rename to v
create or replace view v as select a from t
create or replace view v as select a as z, b, c from t
create or replace view v as select a::text, b, c from t
create or replace view v as select a, b, c, 1::int as d from t
create or replace view t as select 1 as a
create view v as select 1 as a
create schema s
create schema s
create schema if not exists s
create table s.t as select 1 as a
drop schema s
drop schema s cascade
create table s.t (a int)
drop schema s
drop schema if exists s
create schema pg_foo
create temp table pg_catalog.x (a int)
comment on table nosuch is 'x'
comment on column t.nosuch is 'x'
comment on table v is 'x'
comment on table t is 'rows of a test'
comment on column t.a is 'a number'
select obj_description('t'::regclass, 'pg_class'), col_description('t'::regclass, 1)
comment on table t is null
select obj_description('t'::regclass, 'pg_class')
truncate nosuch
truncate v
truncate t
select 1 as a into t
select 1 as a into temp q
select * from q
create table u (a int, a text)
create table u (a nosuch)
create table u (a int, primary key (b))
create view w as select 1, 2
create table w as select 1, 2
create table w (a, b) as select 1 as x
create table if not exists t as select 1 as x
create table w2 as select 1 as a with no data
select * from w2
create table w3 (x, y) as values (1, 'a'), (2, 'b')
select * from w3 order by x
create view w4 (x) as select 1 as a, 2 as b
select * from w4
create view w5 (a, b) as select 1 as x
alter table w3 rename column x to y
alter table w3 rename column x to z
select z, y from w3 order by 1
alter table w3 rename to w6
select count(*) from w6
alter table w6 set schema nosuch
create schema other
alter table w6 set schema other
select count(*) from other.w6
create table w7 (like t)
insert into w7 values (1)
create unlogged table w8 (a int)
drop table if exists t, nosuch, w2 cascade
drop view if exists nosuch
drop table w7, w8
create view chain1 as select 1 as a
create view chain2 as select a from chain1
create view chain3 as select a from chain2
drop view chain1
alter view chain1 rename to chain0
select * from chain3
drop view chain0 cascade
select * from chain3
create temp table shadow (a int)
create table shadow (b int)
select * from shadow
drop table shadow
select * from shadow
drop table shadow
create temp table gone on commit drop as select 1 as a
select * from gone
create temp table emptied (a int) on commit delete rows
insert into emptied values (1)
select count(*) from emptied
create table lasting (a int) on commit drop
create table key1 (a int primary key, b int primary key)
create table key2 (a int unique, b int, unique (a, b))
insert into key2 values (1, 1), (null, 1), (null, 1)
insert into key2 values (1, 2)
create unique index on key2 (b)
