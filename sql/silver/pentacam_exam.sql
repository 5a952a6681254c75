-- Oculus Pentacam exams, one row an exam of an eye: what the headers state, and the five grids of its files CUR, ELE and PAC.
--
-- grain:    exam_id, eye, exam_time
-- readers:  researcher
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day; the file's own key where patient, day or eye is unknown
-- column eye:          OD or OS; null where the file does not say
-- column *_scan_id:    key of the file that has the grid; the last one where it was exported twice
-- column issues:       what is wrong with any of the files, each as code: detail
with exams as (
    select
        case when eye is null then scan_id else exam_id end as exam_id,
        eye,
        exam_time,
        max(patient_id) as patient_id,
        max(exam_date) as exam_date,
        max(case when export_kind = 'curvature' then scan_id end) as curvature_scan_id,
        max(case when export_kind = 'elevation' then scan_id end) as elevation_scan_id,
        max(case when export_kind = 'pachymetry' then scan_id end) as pachymetry_scan_id
    from bronze.pentacam
    where export_kind is not null
    group by 1, 2, 3
)
select
    exams.exam_id,
    exams.eye,
    exams.exam_time,
    exams.patient_id,
    exams.exam_date,
    exams.curvature_scan_id,
    exams.elevation_scan_id,
    exams.pachymetry_scan_id,
    coalesce(curvature.age_years, elevation.age_years, pachymetry.age_years) as age_years,
    coalesce(curvature.sex, elevation.sex, pachymetry.sex) as sex,
    coalesce(curvature.software_version, elevation.software_version, pachymetry.software_version) as software_version,
    coalesce(curvature.max_diameter_mm, elevation.max_diameter_mm, pachymetry.max_diameter_mm) as max_diameter_mm,
    coalesce(curvature.cornea_front_rh_mm, elevation.cornea_front_rh_mm, pachymetry.cornea_front_rh_mm) as cornea_front_rh_mm,
    coalesce(curvature.cornea_front_rv_mm, elevation.cornea_front_rv_mm, pachymetry.cornea_front_rv_mm) as cornea_front_rv_mm,
    coalesce(curvature.cornea_front_axis_deg, elevation.cornea_front_axis_deg, pachymetry.cornea_front_axis_deg) as cornea_front_axis_deg,
    coalesce(curvature.cornea_front_astigmatism_d, elevation.cornea_front_astigmatism_d, pachymetry.cornea_front_astigmatism_d) as cornea_front_astigmatism_d,
    coalesce(curvature.cornea_front_exz, elevation.cornea_front_exz, pachymetry.cornea_front_exz) as cornea_front_exz,
    coalesce(curvature.pachy_apex_um, elevation.pachy_apex_um, pachymetry.pachy_apex_um) as pachy_apex_um,
    coalesce(curvature.pachy_min_um, elevation.pachy_min_um, pachymetry.pachy_min_um) as pachy_min_um,
    coalesce(curvature.pachy_min_x_mm, elevation.pachy_min_x_mm, pachymetry.pachy_min_x_mm) as pachy_min_x_mm,
    coalesce(curvature.pachy_min_y_mm, elevation.pachy_min_y_mm, pachymetry.pachy_min_y_mm) as pachy_min_y_mm,
    coalesce(curvature.anterior_chamber_depth_mm, elevation.anterior_chamber_depth_mm, pachymetry.anterior_chamber_depth_mm) as anterior_chamber_depth_mm,
    coalesce(curvature.anterior_chamber_angle_deg, elevation.anterior_chamber_angle_deg, pachymetry.anterior_chamber_angle_deg) as anterior_chamber_angle_deg,
    coalesce(curvature.kks, elevation.kks, pachymetry.kks) as kks,
    coalesce(curvature.qs_status, elevation.qs_status, pachymetry.qs_status) as qs_status,
    coalesce(curvature.qs_error, elevation.qs_error, pachymetry.qs_error) as qs_error,
    coalesce(curvature.k_max_front_d, elevation.k_max_front_d, pachymetry.k_max_front_d) as k_max_front_d,
    coalesce(curvature.k_max_front_x_mm, elevation.k_max_front_x_mm, pachymetry.k_max_front_x_mm) as k_max_front_x_mm,
    coalesce(curvature.k_max_front_y_mm, elevation.k_max_front_y_mm, pachymetry.k_max_front_y_mm) as k_max_front_y_mm,
    coalesce(curvature.pupil_diameter_mm, elevation.pupil_diameter_mm, pachymetry.pupil_diameter_mm) as pupil_diameter_mm,
    coalesce(curvature.pupil_center_x_mm, elevation.pupil_center_x_mm, pachymetry.pupil_center_x_mm) as pupil_center_x_mm,
    coalesce(curvature.pupil_center_y_mm, elevation.pupil_center_y_mm, pachymetry.pupil_center_y_mm) as pupil_center_y_mm,
    curvature.sagittal_anterior_mm,
    curvature.sagittal_posterior_mm,
    elevation.elevation_anterior_um,
    elevation.elevation_posterior_um,
    pachymetry.corneal_thickness_um,
    array_distinct(array_concat(curvature.issues, elevation.issues, pachymetry.issues)) as issues
from exams
left join bronze.pentacam as curvature on curvature.scan_id = exams.curvature_scan_id
left join bronze.pentacam as elevation on elevation.scan_id = exams.elevation_scan_id
left join bronze.pentacam as pachymetry on pachymetry.scan_id = exams.pachymetry_scan_id
