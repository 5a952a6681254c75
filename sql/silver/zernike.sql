-- Zernike coefficients to order 6 of the elevation residuals, OSA/ANSI, µm, native frame, 6 mm zone.
--
-- grain:    scan_id
-- readers:  researcher, model
-- column scan_id:      key of the measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column ant_elev_um:             28 coefficients of the anterior elevation residual; null where the fit is not trustworthy
-- column ant_elev_residual_rms_um: what the 28 terms leave unexplained
-- column ant_elev_coverage:        share of the zone that was measured
-- column post_elev_um:            28 coefficients of the posterior elevation residual; null where the fit is not trustworthy
-- column post_elev_residual_rms_um: what the 28 terms leave unexplained
-- column post_elev_coverage:       share of the zone that was measured
with fits as (
    select
        scan_id,
        patient_id,
        exam_id,
        eye,
        exam_date,
        zernike_fit_detail(elevation_residual(elevation_anterior_mm, zone_mm => 8.0), radius_mm => 3.0, max_order => 6) as ant,
        zernike_fit_detail(elevation_residual(elevation_posterior_mm, zone_mm => 8.0), radius_mm => 3.0, max_order => 6) as post
    from bronze.ms39
)
select
    scan_id,
    patient_id,
    exam_id,
    eye,
    exam_date,
    ant['coefficients'] as ant_elev_um,
    ant['residual_rms'] as ant_elev_residual_rms_um,
    ant['coverage'] as ant_elev_coverage,
    post['coefficients'] as post_elev_um,
    post['residual_rms'] as post_elev_residual_rms_um,
    post['coverage'] as post_elev_coverage
from fits
