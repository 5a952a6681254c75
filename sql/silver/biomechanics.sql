-- Corvis ST parameters in canonical units, with the biomechanical index recomputed from its published formula.
--
-- grain:    scan_id
-- readers:  researcher, model
-- column scan_id:      key of the measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column cbi_formula:  CBI from doi 10.1038/s41598-020-80915-9, table 4; the device's own is in cbi
select
    scan_id,
    patient_id,
    exam_id,
    eye,
    exam_date,
    iop_nct_mmhg,
    biop_mmhg,
    cct_um,
    a1_time_ms,
    a1_length_mm,
    a1_velocity_m_s,
    a2_time_ms,
    a2_length_mm,
    a2_velocity_m_s,
    hc_time_ms,
    peak_distance_mm,
    hc_radius_mm,
    da_max_mm,
    a1_deformation_amplitude_mm,
    a2_deformation_amplitude_mm,
    deflection_amplitude_max_mm,
    deflection_amplitude_max_ms,
    a1_deflection_amplitude_mm,
    hc_deflection_amplitude_mm,
    a2_deflection_amplitude_mm,
    a1_deflection_length_mm,
    hc_deflection_length_mm,
    a2_deflection_length_mm,
    a1_deflection_area_mm2,
    hc_deflection_area_mm2,
    a2_deflection_area_mm2,
    a1_delta_arc_length_mm,
    hc_delta_arc_length_mm,
    a2_delta_arc_length_mm,
    delta_arc_length_max_mm,
    wem_max_mm,
    wem_max_ms,
    max_inverse_radius_per_mm,
    integrated_inverse_radius_per_mm,
    da_ratio_1mm,
    da_ratio_2mm,
    arth_um,
    sp_a1_mmhg_per_mm,
    cbi,
    ssi,
    cbi(a1_velocity_m_s, arth_um, sp_a1_mmhg_per_mm, da_ratio_1mm, da_ratio_2mm, sd_deflection_amplitude_mm) as cbi_formula
from bronze.corvis_st
