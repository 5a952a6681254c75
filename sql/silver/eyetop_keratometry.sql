-- Simulated keratometry from EyeTop elevations beside what the device printed, as power vectors, by three definitions.
--
-- grain:    scan_id, method
-- readers:  researcher
-- column file:           digest of the file, short
-- column method:         ring: mean of opposite semi-meridians on the 3 mm ring; meridian and harmonic as in sim_k
-- column d_*:            computed minus device
with methods as (
    select scan_id, file_sha256, 'ring' as method, sim_k1_d, sim_k1_axis_deg, sim_k2_d, sim_k2_axis_deg,
        sim_k_from_elevation(rho_mm, z_mm, meridians => 256, method => 'ring') as ours
    from bronze.cso_eyetop
    union all
    select scan_id, file_sha256, 'meridian' as method, sim_k1_d, sim_k1_axis_deg, sim_k2_d, sim_k2_axis_deg,
        sim_k_from_elevation(rho_mm, z_mm, meridians => 256, method => 'meridian') as ours
    from bronze.cso_eyetop
    union all
    select scan_id, file_sha256, 'harmonic' as method, sim_k1_d, sim_k1_axis_deg, sim_k2_d, sim_k2_axis_deg,
        sim_k_from_elevation(rho_mm, z_mm, meridians => 256, method => 'harmonic') as ours
    from bronze.cso_eyetop
),
vectors as (
    select
        scan_id,
        file_sha256,
        method,
        ours,
        power_vector(sim_k1_d, sim_k2_d - sim_k1_d, sim_k1_axis_deg) as device
    from methods
)
select
    scan_id,
    substr(file_sha256, 1, 8) as file,
    method,
    round(device['m'], 2) as device_m_d,
    round(ours['m_d'], 2) as m_d,
    round(ours['m_d'] - device['m'], 2) as d_m_d,
    round(device['j0'], 2) as device_j0_d,
    round(ours['j0_d'], 2) as j0_d,
    round(ours['j0_d'] - device['j0'], 2) as d_j0_d,
    round(device['j45'], 2) as device_j45_d,
    round(ours['j45_d'], 2) as j45_d,
    round(ours['j45_d'] - device['j45'], 2) as d_j45_d
from vectors
