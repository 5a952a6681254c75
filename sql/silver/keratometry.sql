-- Simulated keratometry of the anterior cornea from the sagittal map, as meridians and as power vector, whatever the tomographer.
--
-- grain:    scan_id
-- readers:  researcher, model
-- column scan_id:      key of the measurement
-- column device:       ms39, sirius or pentacam
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column ant_k_flat_d:         power of the flat meridian on the 3 mm ring, index 1.3375
-- column ant_k_steep_d:        power of the steep meridian on the 3 mm ring, index 1.3375
-- column ant_axis_steep_deg:   TABO axis of the steep meridian
-- column ant_m_d:              mean power
-- column ant_j0_d:             power vector, 0°/90° component
-- column ant_j45_d:            power vector, 45°/135° component
-- column device_k_flat_d:      what the device itself says; null where its export says nothing
-- column device_k_steep_d:     what the device itself says
with readings as (
    select
        scan_id,
        'ms39' as device,
        patient_id,
        exam_id,
        eye,
        exam_date,
        sim_k(sagittal_anterior_mm) as ant,
        337.5 / sim_k_flat_radius_mm as device_k_flat_d,
        337.5 / sim_k_steep_radius_mm as device_k_steep_d
    from bronze.ms39
    union all
    select
        scan_id,
        'sirius' as device,
        patient_id,
        exam_id,
        eye,
        exam_date,
        sim_k(sagittal_anterior_mm) as ant,
        cast(null as double precision) as device_k_flat_d,
        cast(null as double precision) as device_k_steep_d
    from bronze.sirius
    union all
    -- The header names its two radii after directions, not after their size.
    select
        scan_id,
        'pentacam' as device,
        patient_id,
        exam_id,
        eye,
        exam_date,
        sim_k(cartesian_to_polar(sagittal_anterior_mm)) as ant,
        337.5 / greatest(cornea_front_rh_mm, cornea_front_rv_mm) as device_k_flat_d,
        337.5 / least(cornea_front_rh_mm, cornea_front_rv_mm) as device_k_steep_d
    from bronze.pentacam
    where export_kind = 'curvature'
)
select
    scan_id,
    device,
    patient_id,
    exam_id,
    eye,
    exam_date,
    ant['k_flat_d'] as ant_k_flat_d,
    ant['k_steep_d'] as ant_k_steep_d,
    ant['axis_steep_deg'] as ant_axis_steep_deg,
    ant['m_d'] as ant_m_d,
    ant['j0_d'] as ant_j0_d,
    ant['j45_d'] as ant_j45_d,
    device_k_flat_d,
    device_k_steep_d
from readings
