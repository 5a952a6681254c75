set search_path to public, "$user"
show search_path
set search_path to "Odd Name", public
show search_path
reset search_path
set statement_timeout = 1000
show statement_timeout
set statement_timeout = '90s'
show statement_timeout
set statement_timeout = '2min'
show statement_timeout
set statement_timeout = 'soon'
set statement_timeout = -1
reset statement_timeout
show statement_timeout
set lock_timeout = '1h'
show lock_timeout
set datestyle = iso, dmy
show datestyle
set datestyle = 'ISO, YMD'
show datestyle
set datestyle to default
set extra_float_digits = 3
show extra_float_digits
set extra_float_digits = 30
set client_min_messages = warning
drop table if exists nosuch
set client_min_messages = nonsense
set client_min_messages = notice
drop table if exists nosuch
set nosuch = 1
set application_name = Mixed
show application_name
set application_name to 'Mixed'
show application_name
begin; set local application_name = 'inside'; show application_name
commit
show application_name
begin; set application_name = 'undone'; rollback
show application_name
begin; set application_name = 'one'; savepoint s; set application_name = 'two'; rollback to s; show application_name; commit
set local application_name = 'nowhere'
select set_config('application_name', 'by function', false) as a
show application_name
begin; select set_config('application_name', 'local', true) as a; commit
show application_name
select current_setting('nosuch')
select current_setting('nosuch', true) as a
set my.own = 'x'
show my.own
select current_setting('my.own') as a
reset my.own
set time zone 'Europe/Rome'
show timezone
select timestamptz '2024-07-01 12:00:00+00' as t
set time zone 'Nowhere/Nothing'
set time zone local
set standard_conforming_strings = on
set bytea_output = 'hex'
set intervalstyle = 'postgres'
set transaction_isolation = 'serializable'
set default_transaction_isolation = 'repeatable read'
show default_transaction_isolation
set default_transaction_isolation = 'nonsense'
reset default_transaction_isolation
set role nosuch
set role none
set row_security = off
reset all
unlisten *
listen x
unlisten x
