-- Snapshots of databases in the lake, one row a file: when it was taken, and whether a newer one of the same table replaces it.
--
-- grain:    file_id
-- readers:  researcher
-- column file_id:      key of the file; raw.files has its path
-- column taken_at:     when the snapshot was taken, UTC
-- column is_newest:    whether it is the newest of its table: the others stay in raw and are left out of bronze.clinic_visit
-- column newest_id:    key of the newest snapshot of the same table
with files as (
    -- placido snapshot writes <source>/<table>/20260131T083000.123456Z.csv; a folder holds the snapshots of one table.
    select
        file_id,
        substr(path, 1, length(path) - 27) as folder,
        substr(path, length(path) - 26, 22) as name
    from raw.files
    where path like '%Z.csv' and regexp_like(path, '(^|/)[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.csv$')
)
select
    file_id,
    cast(
        concat(
            substr(name, 1, 4), '-', substr(name, 5, 2), '-', substr(name, 7, 2), ' ',
            substr(name, 10, 2), ':', substr(name, 12, 2), ':', substr(name, 14)
        ) as timestamp
    ) as taken_at,
    row_number() over (partition by folder order by name desc) = 1 as is_newest,
    first_value(file_id) over (partition by folder order by name desc) as newest_id
from files
