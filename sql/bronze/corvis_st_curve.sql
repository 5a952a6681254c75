-- Oculus Corvis ST curves, one row a measurement of an eye: 140 frames of time, force, amplitudes, velocity and radius, in placido's
-- own layout.
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
    exam_time,
    time_ms,
    air_puff_force_n,
    deformation_amplitude_mm,
    deflection_amplitude_mm,
    whole_eye_movement_mm,
    applanation_length_mm,
    velocity_m_s,
    inverse_radius_per_mm,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    _layout as layout,
    _issues as issues
from raw.corvis_st_curve
