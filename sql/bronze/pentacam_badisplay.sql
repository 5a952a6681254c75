-- Oculus Pentacam enhanced ectasia display, one row an exam of an eye: deviations from the reference and progression of thickness.
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
    exam_type,
    status,
    error,
    k1_d,
    k2_d,
    k1_axis_deg,
    astigmatism_d,
    bad_reference,
    bad_df,
    bad_db,
    bad_dp,
    bad_dt,
    bad_dam,
    bad_dy,
    bad_d,
    bad_db_hyp,
    bfs_front_mm,
    bfs_back_mm,
    ppi_min,
    ppi_min_axis_deg,
    ppi_max,
    ppi_max_axis_deg,
    ppi_avg,
    art_min_um,
    art_max_um,
    art_avg_um,
    pachy_min_um,
    apex_to_thinnest_mm,
    pachy_min_orientation,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    _layout as layout,
    _issues as issues
from raw.pentacam_badisplay
