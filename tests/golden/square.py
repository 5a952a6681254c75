"""Fits, statistics and samples of a keratoconus-like surface on a square raster, written to square.json. Needs numpy and scipy."""
import numpy as np, json, math
from scipy.integrate import quad
from scipy.interpolate import RegularGridInterpolator
N,E=141,14.0
step=E/(N-1)
c=np.linspace(-E/2,E/2,N)
X,Y=np.meshgrid(c,-c)   # row 0 superior
def conic(r,R,Q): return r*r/(R+np.sqrt(R*R-(1+Q)*r*r))
def S4(x,y):
    r=np.hypot(x,y); return conic(r,7.8,-0.25)-0.05*np.exp(-((x-0.6)**2+(y+1.2)**2)/(2*0.81))
def zern(n,m,rho,t):
    k=abs(m)
    R=sum((-1)**s*math.factorial(n-s)/(math.factorial(s)*math.factorial((n+k)//2-s)*math.factorial((n-k)//2-s))*rho**(n-2*s) for s in range((n-k)//2+1))
    return math.sqrt((1 if m==0 else 2)*(n+1))*R*(np.cos(m*t) if m>=0 else np.sin(k*t))
def clipped(x,y,R):
    h=step/2
    if math.hypot(abs(x)+h,abs(y)+h)<=R: return step*step
    f=lambda u: max(0.0,min(y+h,math.sqrt(max(R*R-u*u,0)))-max(y-h,-math.sqrt(max(R*R-u*u,0))))
    pts=sorted({p for v in (y-h,y+h) for p in (math.sqrt(max(R*R-v*v,0)),-math.sqrt(max(R*R-v*v,0))) if x-h<p<x+h})
    return quad(f,x-h,x+h,points=pts or None,limit=200,epsabs=1e-13)[0]
out={"fits":[],"statistics":[],"samples":[]}
Z=S4(X,Y)
for R in (3.0,4.5):
  d=np.hypot(X,Y)<=R+1e-9
  area=np.array([clipped(x,y,R) for x,y in zip(X[d],Y[d])])
  for weighting in ("uniform","area"):
    for lid in (None,1.2):
      keep=d.copy()
      w=np.ones(d.sum()) if weighting=="uniform" else area
      sel=np.ones(d.sum(),bool) if lid is None else (Y[d]<=lid+1e-9)
      rho,t=np.hypot(X[d],Y[d])[sel]/R,np.arctan2(Y[d],X[d])[sel]
      A=np.stack([zern(n,m,rho,t) for n in range(7) for m in range(-n,n+1,2)],1)
      s=np.sqrt(w[sel])
      coef,_,_,sv=np.linalg.lstsq(A*s[:,None],Z[d][sel]*s,rcond=None)
      res=Z[d][sel]-A@coef
      out["fits"].append(dict(radius_mm=R,weighting=weighting,lid_mm=lid,coefficients=coef.tolist(),residual_rms=float(np.sqrt((w[sel]*res**2).sum()/w[sel].sum())),
         coverage=float(area[sel].sum()/area.sum()),condition=float((sv[0]/sv[-1])**2)))
def stats(zone,lid):
  R=zone/2; d=np.hypot(X,Y)<=R+1e-9
  area=np.array([clipped(x,y,R) for x,y in zip(X[d],Y[d])])
  M=Z.copy()
  if lid is not None: M[Y>lid+1e-9]=np.nan
  v=M[d]; ok=np.isfinite(v); v,w,y=v[ok],area[ok],Y[d][ok]
  W=w.sum(); mean=(w*v).sum()/W; m2=(w*(v-mean)**2).sum()/W; sd=math.sqrt(m2)
  skew=(w*(v-mean)**3).sum()/W/sd**3; kurt=(w*(v-mean)**4).sum()/W/m2**2-3
  o=np.argsort(v); cv,cw=v[o],w[o]; pos=(np.cumsum(cw)-cw/2)/W
  q=[float(np.interp(p,pos,cv)) for p in (.05,.25,.5,.75,.95)]
  gy,gx=np.gradient(M,step); g2=gx**2+gy**2
  # central differences only: np.gradient is central inside
  gg=g2[d]; okg=np.isfinite(gg)&np.isfinite(M[d]); grad=math.sqrt((area[okg]*gg[okg]).sum()/area[okg].sum())
  h=np.histogram(v,bins=32,range=(v.min(),v.max()),weights=w)[0]/W; h=h[h>0]; ent=float(-(h*np.log2(h)).sum())
  up,lo=y>1e-12,y<-1e-12
  asym=(w[lo]*v[lo]).sum()/w[lo].sum()-(w[up]*v[up]).sum()/w[up].sum()
  return [mean,sd,v.min(),v.max(),*q,skew,kurt,grad,ent,asym]
for zone,lid in ((8.0,None),(5.0,None),(8.0,2.2)):
  out["statistics"].append(dict(zone_mm=zone,lid_mm=lid,values=[float(x) for x in stats(zone,lid)]))
f=RegularGridInterpolator((c,c),Z[::-1].T)
for x,y in ((0.03,0.07),(-2.345,1.111),(4.02,-3.96),(0.0,0.0),(6.95,-6.95)):
  out["samples"].append(dict(x=x,y=y,bilinear=float(f((x,y))),exact=float(S4(x,y))))
json.dump(out,open("square.json", "w"),indent=0)
