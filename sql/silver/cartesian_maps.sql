-- The 14 maps on a square raster of 141 × 141 points, 0.1 mm apart, row 0 superior; null outside the measured zone.
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
    polar_to_cartesian(ant_axial_d, size => 141, extent_mm => 14.0) as ant_axial_d,
    polar_to_cartesian(ant_tang_d, size => 141, extent_mm => 14.0) as ant_tang_d,
    polar_to_cartesian(ant_gauss_d, size => 141, extent_mm => 14.0) as ant_gauss_d,
    polar_to_cartesian(ant_refr_d, size => 141, extent_mm => 14.0) as ant_refr_d,
    polar_to_cartesian(ant_elev_um, size => 141, extent_mm => 14.0) as ant_elev_um,
    polar_to_cartesian(post_axial_d, size => 141, extent_mm => 14.0) as post_axial_d,
    polar_to_cartesian(post_tang_d, size => 141, extent_mm => 14.0) as post_tang_d,
    polar_to_cartesian(post_gauss_d, size => 141, extent_mm => 14.0) as post_gauss_d,
    polar_to_cartesian(post_refr_d, size => 141, extent_mm => 14.0) as post_refr_d,
    polar_to_cartesian(post_elev_um, size => 141, extent_mm => 14.0) as post_elev_um,
    polar_to_cartesian(pachy_um, size => 141, extent_mm => 14.0) as pachy_um,
    polar_to_cartesian(stroma_um, size => 141, extent_mm => 14.0) as stroma_um,
    polar_to_cartesian(epi_um, size => 141, extent_mm => 14.0) as epi_um,
    polar_to_cartesian(tot_refr_d, size => 141, extent_mm => 14.0) as tot_refr_d
from silver.corneal_maps
