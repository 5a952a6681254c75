-- Oculus Corvis ST biomechanics, one row a measurement of an eye.
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
    iop_nct_mmhg,
    biop_mmhg,
    cct_um,
    a1_time_ms,
    a1_length_mm,
    a1_velocity_m_s,
    a1_deformation_amplitude_mm,
    a1_deflection_length_mm,
    a1_deflection_amplitude_mm,
    a1_deflection_area_mm2,
    a1_delta_arc_length_mm,
    a2_time_ms,
    a2_length_mm,
    a2_velocity_m_s,
    a2_deformation_amplitude_mm,
    a2_deflection_length_mm,
    a2_deflection_amplitude_mm,
    a2_deflection_area_mm2,
    a2_delta_arc_length_mm,
    hc_time_ms,
    hc_radius_mm,
    hc_deformation_amplitude_mm,
    hc_deflection_length_mm,
    hc_deflection_amplitude_mm,
    hc_deflection_area_mm2,
    hc_delta_arc_length_mm,
    da_max_mm,
    peak_distance_mm,
    deflection_amplitude_max_mm,
    deflection_amplitude_max_ms,
    da_ratio_1mm,
    da_ratio_2mm,
    integrated_inverse_radius_per_mm,
    max_inverse_radius_per_mm,
    sp_a1_mmhg_per_mm,
    arth_um,
    pachy_slope_um,
    ssi,
    cbi,
    tbi,
    wem_max_mm,
    wem_max_ms,
    sd_deflection_amplitude_mm,
    delta_arc_length_max_mm,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    _layout as layout,
    _issues as issues
from raw.corvis_st
