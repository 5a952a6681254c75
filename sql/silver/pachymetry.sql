-- Thickness of the cornea at the apex and at its thinnest point in the 8 mm zone, whatever the tomographer.
--
-- grain:    scan_id
-- readers:  researcher, model
-- column scan_id:      key of the measurement
-- column device:       ms39, sirius or pentacam
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column apex_um:      thickness at the apex
-- column thinnest_um:  smallest thickness; null where less than three quarters of the zone was measured
-- column thinnest_x_mm: its place from the apex, positive to the examiner's right
-- column thinnest_y_mm: its place from the apex, positive upwards
-- column device_*:     what the device itself says; null where its export says nothing
with readings as (
    select
        scan_id,
        'ms39' as device,
        patient_id,
        exam_id,
        eye,
        exam_date,
        map_at(corneal_thickness_um, 0.0, 0.0) as apex_um,
        map_minimum(corneal_thickness_um, zone_mm => 8.0) as thinnest,
        cast(null as double precision) as device_apex_um,
        cast(null as double precision) as device_thinnest_um
    from bronze.ms39
    union all
    select
        scan_id,
        'sirius' as device,
        patient_id,
        exam_id,
        eye,
        exam_date,
        map_at(corneal_thickness_um, 0.0, 0.0) as apex_um,
        map_minimum(corneal_thickness_um, zone_mm => 8.0) as thinnest,
        cast(null as double precision) as device_apex_um,
        cast(null as double precision) as device_thinnest_um
    from bronze.sirius
    union all
    select
        scan_id,
        'pentacam' as device,
        patient_id,
        exam_id,
        eye,
        exam_date,
        map_at(corneal_thickness_um, 0.0, 0.0) as apex_um,
        map_minimum(corneal_thickness_um, zone_mm => 8.0) as thinnest,
        pachy_apex_um as device_apex_um,
        pachy_min_um as device_thinnest_um
    from bronze.pentacam
    where export_kind = 'pachymetry'
)
select
    scan_id,
    device,
    patient_id,
    exam_id,
    eye,
    exam_date,
    apex_um,
    thinnest['value'] as thinnest_um,
    thinnest['x_mm'] as thinnest_x_mm,
    thinnest['y_mm'] as thinnest_y_mm,
    device_apex_um,
    device_thinnest_um
from readings
