savepoint a
release a
rollback to a
begin; savepoint a; rollback to b
select 1
rollback
begin
release b
commit
begin
begin
commit
commit
rollback
begin read only
create table z (a int)
rollback
create table t (a int)
begin read only
insert into t values (9)
rollback
begin read only
create temp table tt (a int)
rollback
set transaction read only
begin
select 1 as a
set transaction isolation level serializable
rollback
begin isolation level serializable, read only, deferrable
show transaction_isolation
show transaction_read_only
commit and chain
show transaction_isolation
rollback
show transaction_isolation
commit and chain
start transaction read write
insert into t values (1)
savepoint one
insert into t values (2), (3)
select count(*) from t
savepoint two
truncate t
select count(*) from t
rollback to two
select count(*) from t
rollback to savepoint one
select count(*) from t
release one
rollback to two
rollback
select count(*) from t
begin
insert into t values (1)
create table u as select 2 as b
create view v as select a from t
drop table t cascade
select * from t
rollback
select * from t
select * from u
begin; insert into t values (4); commit
select * from t
insert into t values (5); insert into t values (6); select 1/0 as a
select * from t order by a
insert into t values (5); insert into t values (6)
select * from t order by a
begin
insert into t values (7)
select 1/0 as a
insert into t values (8)
commit
select * from t order by a
begin
savepoint s
select 1/0 as a
rollback to s
insert into t values (8)
commit
select * from t order by a
begin; create temp table temporary (a int); insert into temporary values (1); rollback
select * from temporary
create temp table temporary (a int)
begin; insert into temporary values (1); savepoint s; insert into temporary values (2); rollback to s; commit
select * from temporary
set session characteristics as transaction read only
show default_transaction_read_only
insert into t values (9)
set session characteristics as transaction read write
insert into t values (9)
lock table t
begin; lock table t in access share mode; lock nosuch
rollback
discard temp
select * from temporary
discard plans
discard sequences
begin
discard all
rollback
discard all
abort
end
