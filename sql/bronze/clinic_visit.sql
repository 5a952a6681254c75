-- Hand-typed clinical records, one row an eye at a visit: what was typed, and what could be read of it.
-- Of a database, only the newest snapshot of each table.
--
-- grain:    scan_id
-- readers:  researcher
-- column scan_id:      key of this measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day; the scan's own key where patient or day is unknown
-- column eye:          OD or OS; null where the file does not say
-- column age_years:    age on the day of the exam, in whole years
-- column sex:          M or F
-- column file_id:      key of the file; raw.files has its path
-- column visit_date_order: order in which the date was read, dmy or mdy, where it can be read in two
-- column source_row:   line of the file, or row of the workbook's sheet; both eyes of a visit may stand in one
-- column issues:       what is wrong with the row, each as code: detail
select
    scan_id,
    patient_id,
    coalesce(exam_id, scan_id) as exam_id,
    eye,
    exam_date,
    cast(
        date_part('year', exam_date) - date_part('year', patient_birth_date)
        - case
            when date_part('month', exam_date) * 100 + date_part('day', exam_date)
                < date_part('month', patient_birth_date) * 100 + date_part('day', patient_birth_date) then 1
            else 0
        end as integer
    ) as age_years,
    patient_sex as sex,
    visit_date_text,
    visit_date_order,
    eye_text,
    udva_text,
    cdva_text,
    near_va_text,
    refraction_text,
    sphere_text,
    cylinder_text,
    axis_text,
    sphere_d,
    cylinder_d,
    axis_deg,
    iop_mmhg,
    diagnosis_text,
    diagnosis,
    eye_rubbing,
    atopy,
    family_history_kc,
    contact_lens,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    source_row,
    _layout as layout,
    _issues as issues
from raw.clinic_visit
-- Not an anti join: behind one, the engine forgets that a filtered key is constant, and refuses windows over it.
left join (select file_id as older_id from bronze.clinic_snapshot where not is_newest) as older on older_id = _file_id
where older_id is null
