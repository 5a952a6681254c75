-- CSO EyeTop Placido topography, one row a scan: radius and height of 24 × 256 reflections, and the device's own keratometry.
--
-- grain:    scan_id
-- readers:  researcher
-- column scan_id:      key of this measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day; the scan's own key where patient or day is unknown
-- column eye:          OD or OS; null where the file does not say
-- column file_id:      key of the file; raw.files has its path
-- column issues:       what is wrong with the row, each as code: detail
-- column occhio:       the device's own flag of the eye; which eye it means is not documented
select
    scan_id,
    patient_id,
    coalesce(exam_id, scan_id) as exam_id,
    eye,
    exam_date,
    occhio,
    sim_k1_d,
    sim_k1_axis_deg,
    sim_k2_d,
    sim_k2_axis_deg,
    corneal_diameter_mm,
    pupil_diameter_mm,
    rings,
    meridians,
    rho_mm,
    z_mm,
    _file_id as file_id,
    _file_sha256 as file_sha256,
    _row as row_in_file,
    _layout as layout,
    _issues as issues
from raw.cso_eyetop
