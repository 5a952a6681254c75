-- Oculus Pentacam tomography, one row a file: what its header states, and the grids of curvature, elevation or pachymetry,
-- 141 × 141 cells 0.1 mm apart, row 0 superior, column 0 at the examiner's left. The three files of an exam are three rows;
-- silver.pentacam_exam joins them.
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
    export_kind,
    software_version,
    exam_time,
    max_diameter_mm,
    cornea_front_rh_mm,
    cornea_front_rv_mm,
    cornea_front_axis_deg,
    cornea_front_astigmatism_d,
    cornea_front_exz,
    pachy_apex_um,
    pachy_min_um,
    pachy_min_x_mm,
    pachy_min_y_mm,
    anterior_chamber_depth_mm,
    anterior_chamber_angle_deg,
    kks,
    qs_status,
    qs_error,
    k_max_front_d,
    k_max_front_x_mm,
    k_max_front_y_mm,
    pupil_diameter_mm,
    pupil_center_x_mm,
    pupil_center_y_mm,
    pupil_contour_x_mm,
    pupil_contour_y_mm,
    sagittal_anterior_mm,
    sagittal_posterior_mm,
    elevation_anterior_um,
    elevation_posterior_um,
    corneal_thickness_um,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    _layout as layout,
    _issues as issues
from raw.pentacam
