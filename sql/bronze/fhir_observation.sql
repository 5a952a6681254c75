-- FHIR Observations of visual acuity and refraction, one row a measure of an eye, in the server's own structure.
--
-- grain:    scan_id
-- readers:  researcher
-- column scan_id:      key of this measurement
-- column patient_id:   key of the patient: the same as for other devices where the resource has the hospital's number
-- column exam_id:      key of the patient's visit of that day; the scan's own key where patient or day is unknown
-- column eye:          OD or OS; null where the resource does not say
-- column age_years:    age on the day of the exam, in whole years
-- column sex:          M or F
-- column is_void:      whether it was withdrawn or entered in error
-- column file_id:      key of the file; raw.files has its path
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
    status,
    coalesce(status in ('entered-in-error', 'cancelled'), false) as is_void,
    measure,
    code_system,
    code,
    method_code,
    value_number,
    value_unit,
    value_code,
    absent_reason,
    acuity_text,
    sphere_d,
    cylinder_d,
    axis_deg,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    _layout as layout,
    _issues as issues
from raw.fhir_observation
