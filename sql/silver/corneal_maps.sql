-- The 14 maps of the feature scheme on the device's polar grid, curvature as power in dioptres, elevation over its best-fit sphere.
--
-- grain:    scan_id
-- readers:  researcher
-- column scan_id:      key of the measurement
-- column patient_id:   key of the patient
-- column exam_id:      key of the patient's visit of that day
-- column eye:          OD or OS
-- column ant_axial*:   anterior axial curvature, keratometric index 1.3375
-- column ant_tang*:    anterior tangential curvature, keratometric index 1.3375
-- column ant_gauss*:   anterior Gaussian curvature, keratometric index 1.3375
-- column ant_refr*:    anterior refractive power as the device gives it
-- column ant_elev*:    anterior elevation over the best-fit sphere of the 8 mm zone; positive is in front of the sphere
-- column post_axial*:  posterior axial curvature, from index 1.376 to 1.336
-- column post_tang*:   posterior tangential curvature, from index 1.376 to 1.336
-- column post_gauss*:  posterior Gaussian curvature, from index 1.376 to 1.336
-- column post_refr*:   posterior refractive power as the device gives it
-- column post_elev*:   posterior elevation over the best-fit sphere of the 8 mm zone; positive is in front of the sphere
-- column pachy*:       corneal thickness
-- column stroma*:      stromal thickness
-- column epi*:         epithelial thickness
-- column tot_refr*:    equivalent power of the whole cornea as the device gives it
select
    scan_id,
    patient_id,
    exam_id,
    eye,
    exam_date,
    radius_to_power(sagittal_anterior_mm, index_from => 1.0, index_to => 1.3375) as ant_axial_d,
    radius_to_power(tangential_anterior_mm, index_from => 1.0, index_to => 1.3375) as ant_tang_d,
    radius_to_power(gaussian_anterior_mm, index_from => 1.0, index_to => 1.3375) as ant_gauss_d,
    refractive_power_anterior_d as ant_refr_d,
    elevation_residual(elevation_anterior_mm, zone_mm => 8.0) as ant_elev_um,
    radius_to_power(sagittal_posterior_mm, index_from => 1.376, index_to => 1.336) as post_axial_d,
    radius_to_power(tangential_posterior_mm, index_from => 1.376, index_to => 1.336) as post_tang_d,
    radius_to_power(gaussian_posterior_mm, index_from => 1.376, index_to => 1.336) as post_gauss_d,
    refractive_power_posterior_d as post_refr_d,
    elevation_residual(elevation_posterior_mm, zone_mm => 8.0) as post_elev_um,
    corneal_thickness_um as pachy_um,
    stromal_thickness_um as stroma_um,
    epithelial_thickness_um as epi_um,
    refractive_power_equivalent_d as tot_refr_d
from bronze.ms39
