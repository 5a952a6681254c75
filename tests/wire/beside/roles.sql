create role beside_worker
set role beside_worker
select current_user
reset all
show role
select current_user
reset role
show role
set session authorization beside_worker
select session_user, current_user
show session_authorization
reset all
select session_user
reset session authorization
select session_user = current_user as same
set role beside_worker
set session authorization beside_worker
show role
set session authorization default
show role
set session authorization nosuch
begin; set local session authorization beside_worker; select session_user; rollback
select session_user = 'beside_worker' as still
set role beside_worker
discard all
show role
drop role beside_worker
