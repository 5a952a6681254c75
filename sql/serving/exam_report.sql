-- One line an exam, both eyes side by side: keratometry, thickness, aberrations, biomechanics, acuity and prediction.
--
-- grain:    exam_id
-- readers:  clinician, researcher
-- column *_k_flat_d:      simulated keratometry, flat meridian
-- column *_k_steep_d:     simulated keratometry, steep meridian
-- column *_axis_steep_deg: TABO axis of the steep meridian
-- column *_kmax_d:        steepest tangential curvature in the 8 mm zone
-- column *_pachy_min_um:  thinnest point in the 8 mm zone
-- column *_hoa_um:        RMS of the higher-order Zernike terms of the anterior elevation, 6 mm pupil
-- column *_da_ratio_2mm:  Corvis deformation amplitude ratio at 2 mm
-- column *_cdva_logmar:   corrected acuity of the clinical record
-- column *_predicted:     what the model kc_dx says; not for clinical use
-- column *_diagnosis:     the clinician's word at that visit
with eyes as (
    select
        exam_id,
        patient_id,
        exam_date,
        age_years,
        eye,
        k_ant_d30_k_flat,
        k_ant_d30_k_steep,
        k_ant_d30_axis_steep,
        s_ant_tang_z80_max,
        s_pachy_z80_min,
        zm_ant_elev_p60_rms_hoa,
        cv_da_ratio_2mm,
        cl_cdva_logmar,
        predict('kc_dx') as predicted,
        diagnosis
    from gold.eye_features
)
select
    exam_id,
    max(patient_id) as patient_id,
    max(exam_date) as exam_date,
    max(age_years) as age_years,
    max(k_ant_d30_k_flat) filter (where eye = 'OD') as od_k_flat_d,
    max(k_ant_d30_k_steep) filter (where eye = 'OD') as od_k_steep_d,
    max(k_ant_d30_axis_steep) filter (where eye = 'OD') as od_axis_steep_deg,
    max(s_ant_tang_z80_max) filter (where eye = 'OD') as od_kmax_d,
    max(s_pachy_z80_min) filter (where eye = 'OD') as od_pachy_min_um,
    max(zm_ant_elev_p60_rms_hoa) filter (where eye = 'OD') as od_hoa_um,
    max(cv_da_ratio_2mm) filter (where eye = 'OD') as od_da_ratio_2mm,
    max(cl_cdva_logmar) filter (where eye = 'OD') as od_cdva_logmar,
    max(predicted) filter (where eye = 'OD') as od_predicted,
    max(diagnosis) filter (where eye = 'OD') as od_diagnosis,
    max(k_ant_d30_k_flat) filter (where eye = 'OS') as os_k_flat_d,
    max(k_ant_d30_k_steep) filter (where eye = 'OS') as os_k_steep_d,
    max(k_ant_d30_axis_steep) filter (where eye = 'OS') as os_axis_steep_deg,
    max(s_ant_tang_z80_max) filter (where eye = 'OS') as os_kmax_d,
    max(s_pachy_z80_min) filter (where eye = 'OS') as os_pachy_min_um,
    max(zm_ant_elev_p60_rms_hoa) filter (where eye = 'OS') as os_hoa_um,
    max(cv_da_ratio_2mm) filter (where eye = 'OS') as os_da_ratio_2mm,
    max(cl_cdva_logmar) filter (where eye = 'OS') as os_cdva_logmar,
    max(predicted) filter (where eye = 'OS') as os_predicted,
    max(diagnosis) filter (where eye = 'OS') as os_diagnosis
from eyes
group by exam_id
