-- Manifest refraction of clinical records and FHIR Observations as power vectors at the spectacle plane.
--
-- grain:    scan_id
-- readers:  researcher, model
-- column source:       clinic, a hand-typed record, or fhir, an Observation
-- column scan_id:      key of the measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column sphere_d:     sphere as typed
-- column cylinder_d:   cylinder as typed, either sign
-- column axis_deg:     axis as typed
-- column m_d:          spherical equivalent
-- column j0_d:         power vector, 0°/90° component
-- column j45_d:        power vector, 45°/135° component
with refractions as (
    select
        'clinic' as source,
        scan_id,
        patient_id,
        exam_id,
        eye,
        exam_date,
        sphere_d,
        cylinder_d,
        axis_deg,
        power_vector(sphere_d, cylinder_d, axis_deg) as vector
    from bronze.clinic_visit
    union all
    select
        'fhir' as source,
        scan_id,
        patient_id,
        exam_id,
        eye,
        exam_date,
        sphere_d,
        cylinder_d,
        axis_deg,
        power_vector(sphere_d, cylinder_d, axis_deg) as vector
    from bronze.fhir_observation
    where measure = 'refraction' and not is_void
)
select
    source,
    scan_id,
    patient_id,
    exam_id,
    eye,
    exam_date,
    sphere_d,
    cylinder_d,
    axis_deg,
    vector['m'] as m_d,
    vector['j0'] as j0_d,
    vector['j45'] as j45_d
from refractions
