// ../../../main/web/node_modules/preact/dist/preact.mjs
var e, t, n, r, i, a, o, s, c, l, u, d = Symbol.for("pv"), f = {}, p = [], m = /^m(i|n|o|s|text|space)$/, h = Array.isArray, g = p.slice, _ = Object.assign;
function v(e) {
	e && e.parentNode && e.remove();
}
function y(n, r, i, a, o) {
	var s = {
		type: n,
		props: r,
		key: i,
		ref: a,
		__k: null,
		__: null,
		__b: 0,
		__e: null,
		__c: null,
		constructor: d,
		__v: o || ++t,
		__i: -1,
		__u: 0
	};
	return !o && e.vnode && e.vnode(s), s;
}
function b(e) {
	return e.children;
}
function x(e, t) {
	this.props = e, this.context = t, this.__g = 0;
}
function S(e, t) {
	if (t == null) return e.__ && S(e.__, e.__i + 1);
	for (var n; t < e.__k.length; t++) if ((n = e.__k[t]) && n.__e) return n.__e;
	return typeof e.type != "function" || e.props.__P ? null : S(e);
}
function C(t) {
	var n, r = t.__v, i = r.__e, a = [], o = [], s = t.__P;
	s && ((n = _({ constructor: d }, r)).__v = r.__v + 1, e.vnode && e.vnode(n), j(s, n, r, t.__n, s.namespaceURI, 32 & r.__u ? [i] : null, a, i || S(r), 32 & r.__u, o), n.__v = r.__v, n.__.__k[n.__i] = n, ae(a, n, o), r.__ = r.__e = null, n.__e != i && w(n));
}
function w(e) {
	if ((e = e.__) && e.__c && !e.props.__P) return e.__e = null, e.__k.some(function(t) {
		return t && (e.__e = t.__e);
	}), w(e);
}
function T(t) {
	(8 & t.__g || (t.__g |= 8, n.push(t), i++)) && r == e.debounceRendering || ((r = e.debounceRendering) || queueMicrotask)(E);
}
function E() {
	try {
		for (var e, t = 1; n.length;) n.length > t && n.sort(a), e = n.shift(), t = n.length, 8 & e.__g && C(e);
	} finally {
		(i = n.length) && (r || queueMicrotask)(E);
	}
}
function ee(e, t, n, r, i, a, o, s, c, l, u) {
	var d, m, h, g, _, v, y = r.__k || p, b = t.length;
	for (c = D(n, t, y, c, b), d = 0; d < b; d++) (h = n.__k[d]) != null && (m = ~h.__i && y[h.__i] || f, h.__i = d, v = j(e, h, m, i, a, o, s, c, l, u), g = h.__e, (m.ref != h.ref || 8 & m.__u) && (m.ref && M(m.ref, null, h, m), h.ref && u.push(h.ref, h.__c || g, h)), _ ||= g, 4 & h.__u ? (c = O(h, c, e, !m.__v), m.__e && (m.__e = null)) : typeof h.type == "function" && v !== void 0 ? c = v : g && (c = g.nextSibling), h.__u &= -21);
	return n.__e = _, c;
}
function D(e, t, n, r, i) {
	var a, o, s, c, l, u, f, p, m, g = n.length, _ = g, v = 0, x = 0, C = e.__k = Array(i);
	for (a = 0; a < i; a++) (o = t[a]) != null && typeof o != "boolean" && typeof o != "function" ? (typeof o != "object" || o.constructor === String ? o = C[a] = y(null, o) : h(o) ? o = C[a] = y(b, { children: o }) : o.constructor === d && o.__b ? o = C[a] = y(o.type, o.props, o.key, o.ref, o.__v) : C[a] = o, c = a + v, o.__ = e, o.__b = e.__b + 1, s = null, ~(l = o.__i = k(o, n, c, _)) && (_--, (s = n[l]) && (s.__u |= 2)), s && s.__v ? (o.__u |= 16, l == c - 1 ? v-- : l == c + 1 ? v++ : l != c && (l > c ? v-- : v++, x = 1)) : (~l || (i > g ? v-- : i < g && v++), typeof o.type != "function" && (o.__u |= 4))) : C[a] = null;
	if (x) {
		for (u = [], f = [], a = 0; a < i; a++) if ((o = C[a]) && 16 & o.__u) {
			for (v = 0, p = u.length; v < p;) u[m = v + p >> 1] < o.__i ? v = m + 1 : p = m;
			u[v] = o.__i, f[a] = v + 1;
		}
		for (v = u.length; a--;) f[a] && (f[a] == v ? v-- : C[a].__u |= 4);
	}
	if (_) for (a = 0; a < g; a++) !(s = n[a]) || 2 & s.__u || (s.__e == r && (r = S(s)), se(s, s));
	return r;
}
function O(e, t, n, r) {
	var i, a, o, s;
	if (typeof e.type == "function") {
		if (e.props.__P) return t;
		if (i = e.__k) for (a = 0; a < i.length; a++) i[a] && (i[a].__ = e, t = O(i[a], t, n, !1));
		return t;
	}
	for (t && !t.parentNode && (t = S(e)) && !t.parentNode && (t = null), o = e.__e, s = t; s && s.nodeType == 8;) s = s.nextSibling;
	for (o != s && (!r && n.moveBefore && o.parentNode ? n.moveBefore(o, t) : n.insertBefore(o, t || null)), t = o; (t &&= t.nextSibling) && t.nodeType == 8 && !t.data.startsWith("$s"););
	return t;
}
function k(e, t, n, r) {
	var i, a = e.key, o = e.type, s = t[n], c = s && !(2 & s.__u);
	if (s === null && a == null || c && a == s.key && o == s.type) return n;
	if (r > +!!c) {
		for (i = n - 1; i >= 0; i--) if ((s = t[i]) && !(2 & s.__u) && a == s.key && o == s.type) return i;
		for (i = n + 1; i < t.length; i++) if ((s = t[i]) && !(2 & s.__u) && a == s.key && o == s.type) return i;
	}
	return -1;
}
function te(e, t, n) {
	n ??= "", t[0] == "-" ? e.setProperty(t, n) : e[t] = n;
}
function A(e, t, n, r, i) {
	var a, o;
	if (t == "style") {
		if (typeof n == "string") e.style.cssText = n;
		else {
			if (typeof r == "string" && (e.style.cssText = r = ""), r) for (t in r) n && t in n || te(e.style, t);
			if (n) for (t in n) r && n[t] == r[t] || te(e.style, t, n[t]);
		}
	} else if (t[0] == "o" && t[1] == "n") typeof n != "function" && (n = null), typeof r != "function" && (r = null), (e.__e ||= {})[t] = n, n && r || (o = l[t] || (l[t] = ne(t)), (e.__a ||= {})[t] = c, a = t != (t = t.replace(s, "$1")), (t = t.slice(2))[0] < "a" && (t = t.toLowerCase()), n ? e.addEventListener(t, o, a) : e.removeEventListener(t, o, a));
	else {
		if (i == "http://www.w3.org/2000/svg") t = t.replace(/xlink(H|:h)/, "h").replace(/sName$/, "s");
		else if (t != "width" && t != "height" && t != "href" && t != "list" && t != "form" && t != "tabIndex" && t != "download" && t != "rowSpan" && t != "colSpan" && t != "role" && t != "popover" && t in e) try {
			e[t] = n ?? "";
			return;
		} catch {}
		if (typeof n == "function") return;
		n == null || !1 === n && t[4] != "-" ? e.removeAttribute(t) : e.setAttribute(t, t == "popover" && n == 1 ? "" : n);
	}
}
function ne(t) {
	return function(n) {
		var r = this.__e;
		if (r) {
			if (r = r[t], n[o] == null) n[o] = c++;
			else if (n[o] < this.__a[t]) return;
			return r(e.event ? e.event(n) : n);
		}
	};
}
function j(t, n, r, i, a, o, s, c, l, u) {
	var f, m, g, y, C, w, T, E, D, O, k, te, A, ne, j, ae, M, N, P = n.type;
	if (n.constructor !== d) return null;
	128 & r.__u && (l = 32 & r.__u, f = r.__c.__z) && (n.__u |= l, m = o = [], f.nodeType == 8 ? c = re(f, o) : o.push(f), c = o[0] || c), (f = e.__b) && f(n);
	n: if (typeof P == "function") {
		g = s.length;
		try {
			if (E = n.props, D = (f = P.prototype) && f.render, O = (f = P.contextType) && i[f.__c], k = f ? O ? O.props.value : f.__ : i, (y = r.__c) ? (n.__c = y, 2 & y.__g && (y.__g |= 1)) : (D ? n.__c = y = new P(E, k) : (n.__c = y = new x(E, k), y.constructor = P, y.render = ce), O && O.sub(y), y.state || (y.state = {}), y.__n = i, y.__g |= 8, y.__h = [], y.__k = []), D && (y.__s || (y.__s = y.state), P.getDerivedStateFromProps && (y.__s == y.state && (y.__s = _({}, y.__s)), _(y.__s, P.getDerivedStateFromProps(E, y.__s)))), C = y.props, w = y.state, y.__v = n, r.__c) {
				if (E !== C && D && !P.getDerivedStateFromProps && y.componentWillReceiveProps && y.componentWillReceiveProps(E, k), n.__v == r.__v && !(8 & y.__g) || !(4 & y.__g) && y.shouldComponentUpdate && !1 === y.shouldComponentUpdate(E, y.__s, k)) {
					n.__v != r.__v && (y.props = E, y.state = y.__s, y.__g &= -9), n.__e = r.__e, n.__k = r.__k, n.__k.some(function(e) {
						e && (e.__ = n);
					}), p.push.apply(y.__h, y.__k), y.__k = [], y.__h.length && s.push(y), c = S(r);
					break n;
				}
				y.componentWillUpdate && y.componentWillUpdate(E, y.__s, k), D && y.componentDidUpdate && y.__h.push(function() {
					y.componentDidUpdate(C, w, T);
				});
			} else D && !P.getDerivedStateFromProps && y.componentWillMount && y.componentWillMount(), D && y.componentDidMount && y.__h.push(y.componentDidMount);
			y.context = k, y.props = E, y.__P = t, y.__g &= -5, te = e.__r, A = D ? 25 : 0;
			do
				y.__g &= -9, te && te(n), f = y.render(y.props, y.state = y.__s, y.context);
			while (8 & y.__g && ++A < 25);
			D && (p.push.apply(y.__h, y.__k), y.__k = []), y.state = y.__s, y.getChildContext && (i = _({}, i, y.getChildContext())), D && r.__c && y.getSnapshotBeforeUpdate && (T = y.getSnapshotBeforeUpdate(C, w)), ne = f && f.type === b && f.key == null ? f.props.children : f, E.__P && (f = c, a = (t = E.__P).namespaceURI, l = o = null, r.props && r.props.__P != t && (r.__k.some(function(e) {
				e && se(e, e);
			}), r.__k = null), c = r.__k ? S(r, 0) : null), c = ee(t, h(ne) ? ne : [ne], n, r, i, a, o, s, c, l, u), E.__P && (n.__e = null, c = f), n.__u &= -161, m && m.some(v), y.__h.length && s.push(y), 1 & y.__g && (y.__g &= -4);
		} catch (t) {
			if (s.length = g, n.__v = null, l || o) {
				if (t && t.then) {
					if (n.__u |= 128 | l, o) {
						for (~(M = o.indexOf(c || void 0)) || (M = o.length); (N = o[M - 1]) && N.nodeType == 8;) M--;
						for (; M < o.length; M++) if (N = o[M]) {
							if (o[M] = null, j) {
								if (N == ae) break;
							} else {
								if (N.nodeType != 8) break;
								N.data.startsWith("$s") && (ae = re(j = N));
							}
						}
					}
					if (!j) {
						for (; c && c.nodeType == 8 && c.nextSibling;) c = c.nextSibling;
						j = c;
					}
					(f = re(j = n.__c.__z || (n.__c.__z = j))) ? (n.__e = j, c = f) : n.__e = c, c &&= c.nextSibling;
				} else o && o.some(v);
			} else n.__e = r.__e;
			n.__k ||= r.__k || [], t && t.then || ie(n), e.__e(t, n, r);
		}
	} else c = n.__e = oe(r.__e, n, r, i, a, o, s, l, u, t);
	return (f = e.diffed) && f(n), c;
}
function re(e, t) {
	if (e && e.nodeType == 8 && e.data.startsWith("$s")) for (var n = 1; e = e.nextSibling;) {
		if (e.nodeType == 8) {
			if (e.data.startsWith("$s")) n++;
			else if (e.data.startsWith("/$s") && !--n) return e;
		}
		t && t.push(e);
	}
}
function ie(e) {
	e && (e.__c && (e.__c.__g |= 4), e.__k && e.__k.some(ie));
}
function ae(t, n, r) {
	for (var i = 0; i < r.length;) M(r[i++], r[i++], r[i++]);
	e.__c && e.__c(n, t), t.some(function(n) {
		try {
			t = n.__h, n.__h = [], t.some(function(e) {
				e.call(n);
			});
		} catch (t) {
			e.__e(t, n.__v);
		}
	});
}
function oe(t, n, r, i, a, o, s, c, l, u) {
	var d, p, _, y, b, x, C, w, T = r.props || f, E = n.props, D = n.type;
	if (D == "svg" ? a = "http://www.w3.org/2000/svg" : D == "math" ? a = "http://www.w3.org/1998/Math/MathML" : a ||= "http://www.w3.org/1999/xhtml", o) {
		for (d = 0; d < o.length; d++) if ((b = o[d]) && (D ? b.localName == D : b.nodeType == 3)) {
			t = b, o[d] = null;
			break;
		}
	}
	if (!t) {
		if (w = u.ownerDocument || document, !D) return w.createTextNode(E);
		t = w.createElementNS(a, D, E.is ? E : u), c &&= (e.__m && e.__m(n, o), !1), o = null;
	}
	if (D) {
		if (u = D == "template" && t.content || t, o = D == "textarea" && E.defaultValue != null ? null : o && g.call(u.childNodes), !c && o) for (T = {}, d = 0; d < t.attributes.length; d++) T[(b = t.attributes[d]).name] = b.value;
		for (d in T) b = T[d], d == "dangerouslySetInnerHTML" ? _ = b : d == "children" || d in E || d == "value" && "defaultValue" in E || d == "checked" && "defaultChecked" in E || A(t, d, null, b, a);
		for (d in E) b = E[d], d == "children" ? y = b : d == "dangerouslySetInnerHTML" ? p = b : d == "value" ? x = b : d == "checked" ? C = b : c && typeof b != "function" || T[d] === b || A(t, d, b, T[d], a);
		p ? (c || _ && (p.__html == _.__html || p.__html == t.innerHTML) || (t.innerHTML = p.__html), n.__k = []) : (_ && (t.textContent = ""), (D == "foreignObject" || a == "http://www.w3.org/1998/Math/MathML" && m.test(D)) && (a = "http://www.w3.org/1999/xhtml"), ee(u, h(y) ? y : [y], n, r, i, a, o, s, o ? o[0] : r.__k && S(r, 0), c, l), o && o.some(v)), c && D != "textarea" || (d = "value", D == "progress" && x == null ? t.removeAttribute(d) : x == null || x === t[d] && (D != "progress" || x) || A(t, d, x, T[d], a), d = "checked", C != null && C != t[d] && A(t, d, C, T[d], a));
	} else T === E || c && t.data == E || (t.data = E);
	return t;
}
function M(t, n, r, i) {
	try {
		typeof t == "function" ? n ? n.__x = t(n) || 1 : (i &&= i.__c || i.__e) && (n = i.__x) && (i.__x = null, typeof n == "function" ? n() : t(null)) : t.current = n;
	} catch (t) {
		e.__e(t, r);
	}
}
function se(t, n, r) {
	var i, a, o, s;
	if (e.unmount && e.unmount(t), !(i = t.ref) || i.current && i.current != t.__e || M(i, null, n, t), i = t.__c) {
		if (i.componentWillUnmount) try {
			i.componentWillUnmount();
		} catch (t) {
			e.__e(t, n);
		}
		i.__P = i.__n = null;
	}
	if (i = t.__k) for (s = 0; s < i.length; s++) i[s] && se(i[s], n, typeof t.type != "function" || r && !t.props.__P);
	!r && (i = t.__c) && (i = i.__z) && (a = re(i, o = [])) && (i == t.__e && o.some(v), v(a), v(i)), r || v(t.__e), t.__e = t.__c = t.__ = null;
}
function ce(e, t, n) {
	return this.constructor(e, n);
}
function N(t, n) {
	var r, i, a, o;
	e.__ && e.__(t, n), n.nodeType == 9 && (n = n.documentElement), i = (r = t && 32 & t.__u) ? null : n.__k, n.__k = y(b, { children: [t] }), a = [], o = [], j(n, n.__k, i || f, f, n.namespaceURI, i ? null : n.firstChild ? g.call(n.childNodes) : null, a, i ? i.__e : n.firstChild, r, o), ae(a, n.__k, o), n.__k.props.children = null;
}
function P(e) {
	function t(e) {
		var n, r;
		return this.getChildContext || (n = /* @__PURE__ */ new Set(), (r = {})[t.__c] = this, this.getChildContext = function() {
			return r;
		}, this.shouldComponentUpdate = function(e) {
			this.props.value != e.value && n.forEach(function(e) {
				e.__g |= 4, T(e);
			});
		}, this.sub = function(e) {
			n.add(e);
			var t = e.componentWillUnmount;
			e.componentWillUnmount = function() {
				n.delete(e), t && t.call(e);
			};
		}), e.children;
	}
	return t.__c = "__cC" + u++, t.__ = e, t.Provider = (t.Consumer = function(e, t) {
		return e.children(t);
	}).contextType = t, t;
}
e = { __e: function(e, t, n, r) {
	for (var a, o, s; t = t.__;) if ((a = t.__c) && !(1 & a.__g)) {
		a.__g |= 4;
		try {
			if ((s = (o = a.constructor) && o.getDerivedStateFromError) && a.setState(o.getDerivedStateFromError(e)), a.componentDidCatch && (a.componentDidCatch(e, r || {}), s = 1), s && 8 & a.__g) return void (a.__g |= 2);
		} catch (t) {
			e = t;
		}
	}
	throw i = 0, e;
} }, t = 0, x.prototype.setState = function(e, t) {
	var n = this.__s;
	n && n != this.state || (n = this.__s = _({}, this.state)), typeof e == "function" && (e = e(_({}, n), this.props)), e && (_(n, e), this.__v && (t && this.__k.push(t), T(this)));
}, x.prototype.forceUpdate = function(e) {
	this.__v && (this.__g |= 4, e && this.__h.push(e), T(this));
}, x.prototype.render = b, n = [], i = 0, a = function(e, t) {
	return e.__v.__b - t.__v.__b;
}, o = Symbol(), s = /(PointerCapture)$|Capture$/i, c = 0, l = {}, u = 0;
// ../../../main/web/node_modules/preact/hooks/dist/hooks.mjs
var le, F, ue, de, fe = Object.is, pe = 0, me = [], he = [], I = e, ge = I.__b, _e = I.__r, ve = I.diffed, ye = I.__c, be = I.unmount, xe = I.__;
function Se(e, t) {
	I.__h && I.__h(F, e, pe || t), pe = 0;
	var n = F.__H || (F.__H = {
		__: [],
		__h: []
	});
	return e >= n.__.length && n.__.push({}), n.__[e];
}
function L(e) {
	return pe = 1, Ce(Fe, e);
}
function Ce(e, t, n) {
	var r = Se(le++, 2);
	if (r.t = e, !r.__c && (r.__ = [n ? n(t) : Fe(void 0, t), function(e) {
		var t = (r.__N || r.__)[0], n = r.t(t, e);
		fe(t, n) || (r.__N = [n, r.__[1]], r.__c.setState({}));
	}], r.__c = F, !F.__f)) {
		F.__f = !0;
		var i = F.shouldComponentUpdate;
		F.shouldComponentUpdate = function(e, t, n) {
			var r = this.__H;
			if (!r) return !0;
			var a = !1, o = this.props != e;
			if (r.__.some(function(e) {
				e.__N && (a = !0, fe(e.__[0], e.__N[0]) || (o = !0));
			}), i) {
				var s = i.call(this, e, t, n);
				return a ? s || o : s;
			}
			return !a || o;
		};
	}
	return r.__;
}
function we(e, t) {
	var n = Se(le++, 3);
	!I.__s && Pe(n.__H, t) && (n.__P = !0, n.__ = e, n.u = t, F.__H.__h.push(n));
}
function Te(e) {
	return pe = 5, Ee(function() {
		return { current: e };
	}, []);
}
function Ee(e, t) {
	var n = Se(le++, 7);
	return Pe(n.__H, t) && (n.__ = e(), n.__H = t), n.__;
}
function De(e) {
	var t = F.context[e.__c], n = Se(le++, 9);
	return n.c = e, t ? (n.__ ?? (n.__ = !0, t.sub(F)), t.props.value) : e.__;
}
function Oe() {
	var e;
	do {
		for (; e = he.shift();) try {
			Me(e);
		} catch (t) {
			I.__e(t, { __: (e = e.__P) && e.__v });
		}
		for (; e = me.shift();) {
			var t = e.__H;
			if (e.__P && t) try {
				t.__h.some(Me), t.__h.some(Ne), t.__h = [];
			} catch (n) {
				t.__h = [], I.__e(n, e.__v);
			}
		}
	} while (he.length);
}
I.__b = function(e) {
	F = null, ge && ge(e);
}, I.__ = function(e, t) {
	e && t.__k && t.__k.__m && (e.__m = t.__k.__m), xe && xe(e, t);
}, I.__r = function(e) {
	_e && _e(e), le = 0;
	var t = (F = e.__c).__H;
	t && (ue == F ? F.__h = [] : (t.__h.some(Me), t.__h.some(Ne), le = 0), t.__h = [], t.__.some(function(e) {
		e.__N && (e.__ = e.__N), e.u = e.__N = void 0;
	})), ue = F;
}, I.diffed = function(e) {
	ve && ve(e);
	var t = e.__c;
	t && t.__H && (t.__H.__h.length && je(me.push(t)), t.__H.__.some(function(e) {
		e.u && (e.__H = e.u);
	})), ue = F = null;
}, I.__c = function(e, t) {
	t.some(function(e) {
		try {
			e.__h.some(Me), e.__h = e.__h.filter(function(e) {
				return !e.__ || Ne(e);
			});
		} catch (t) {
			e.__h = [function() {
				throw t;
			}];
		}
	}), ye && ye(e, t);
}, I.unmount = function(e) {
	be && be(e);
	var t, n, r = e.__c;
	r && r.__H && (r.__H.__.some(function(r) {
		try {
			if (r.__P && r.__c) {
				if (n === void 0) {
					for (n = e.__; n && (!n.__c || !n.__c.__P);) n = n.__;
					n &&= n.__c;
				}
				r.__P = n, je(he.push(r));
			} else Me(r);
		} catch (e) {
			t = e;
		}
	}), r.__H = void 0, t && I.__e(t, r.__v));
};
var ke = typeof requestAnimationFrame == "function";
function Ae(e) {
	var t, n = function() {
		clearTimeout(r), ke && cancelAnimationFrame(t), setTimeout(e);
	}, r = setTimeout(n, 35);
	ke && (t = requestAnimationFrame(n));
}
function je(e) {
	e != 1 && de == I.requestAnimationFrame || ((de = I.requestAnimationFrame) || Ae)(Oe);
}
function Me(e) {
	var t = F, n = e.__c;
	typeof n == "function" && (e.__c = void 0, n()), F = t;
}
function Ne(e) {
	var t = F;
	e.__c = e.__(), F = t;
}
function Pe(e, t) {
	return !e || e.length != t.length || t.some(function(t, n) {
		return !fe(t, e[n]);
	});
}
function Fe(e, t) {
	return typeof t == "function" ? t(e) : t;
}
// src/data.ts
var Ie = /* @__PURE__ */ new Map();
async function Le(e) {
	let t = Ie.get(e);
	return Ie.delete(e), t ?? Re(e);
}
async function Re(e) {
	let t = await fetch(e);
	if (!t.ok) throw Error(`${e} is missing (${t.status}). Export the site again.`);
	return await t.json();
}
var ze = (e) => String(e).padStart(5, "0"), Be = (e) => `data/images/${ze(e)}.webp`;
function Ve(e) {
	return e == null ? "–" : (Math.round(e * 100) / 100 + 0).toFixed(2).replace("-", "−");
}
function He(e, t, n) {
	return e == null ? t && (!t.seen || t.seen.includes(n)) ? "undefined" : "not measured" : Ve(e);
}
var Ue = {
	dice: "Dice",
	spearman: "Spearman",
	pearson: "Pearson",
	residual: "residual correlation"
}, We = /* @__PURE__ */ new Map();
function Ge(e) {
	We.clear();
	for (let t of e ?? []) We.set(t.name, t);
}
// src/address.ts
function Ke(e) {
	let [t = "", n = ""] = e.replace(/^#\/?/, "").split("?");
	return {
		view: t || "story",
		options: Object.fromEntries(new URLSearchParams(n))
	};
}
function qe(e) {
	let t = new URLSearchParams(e.options).toString();
	return `#/${e.view === "story" ? "" : e.view}${t ? `?${t}` : ""}`;
}
function Je(e, t, n = 3) {
	let r = Math.round(Number(e ?? NaN));
	return Math.min(Math.max(Number.isFinite(r) && r !== 0 ? r : n, 1), t);
}
function Ye(e) {
	let t = Ke(location.hash), n = qe({
		view: t.view,
		options: {
			...t.options,
			...e
		}
	});
	history.replaceState(null, "", n), dispatchEvent(new HashChangeEvent("hashchange"));
}
// src/place.ts
var Xe = P({
	read: Le,
	locate: (e) => e,
	change: Ye
}), Ze = () => De(Xe), Qe = Symbol.for("pv"), $e = 0;
Array.isArray;
function R(t, n, r, i, a, o) {
	n ||= {};
	var s, c, l = n;
	if ("ref" in l && typeof t != "function") for (c in l = {}, n) c == "ref" ? s = n[c] : l[c] = n[c];
	var u = {
		type: t,
		props: l,
		key: r,
		ref: s,
		__k: null,
		__: null,
		__b: 0,
		__e: null,
		__c: null,
		constructor: Qe,
		__v: --$e,
		__i: -1,
		__u: 0
	};
	return (a || o) && (u.__source = a, u.__self = o), e.vnode && e.vnode(u), u;
}
// src/player.tsx
function et(e) {
	let { places: t, place: n, onPlace: r } = e, [i, a] = L(!1);
	return we(() => {
		if (!i) return;
		let a = setTimeout(() => r((n + 1) % t), e.pause ?? 450);
		return () => clearTimeout(a);
	}, [
		i,
		n,
		t
	]), /* @__PURE__ */ R("span", {
		class: "player",
		children: [/* @__PURE__ */ R("button", {
			onClick: () => a(!i),
			children: i ? "Stop" : "Play"
		}), /* @__PURE__ */ R("label", { children: [
			e.label,
			" ",
			/* @__PURE__ */ R("input", {
				type: "range",
				min: "0",
				max: t - 1,
				value: n,
				"aria-valuetext": e.text ?? e.label,
				onInput: (e) => r(Number(e.currentTarget.value))
			})
		] })]
	});
}
// src/reading.ts
function tt(e) {
	let [t, n] = L({
		path: e,
		found: null,
		failed: ""
	}), { read: r } = Ze();
	return we(() => {
		let t = !0;
		return e && r(e).then((r) => t && n({
			path: e,
			found: r,
			failed: ""
		}), (r) => t && n({
			path: e,
			found: null,
			failed: r.message
		})), () => {
			t = !1;
		};
	}, [e]), t.path === e ? t : {
		found: null,
		failed: ""
	};
}
// src/thumbs.tsx
var nt = 64, rt = ({ index: e, text: t, thumb: n }) => ({
	index: e,
	text: t,
	sheet: `data/thumbs/${n.sheet}.webp`,
	place: n.place
});
function it(e) {
	let [t, n] = L(""), { locate: r } = Ze(), i = at(e.choices, t);
	return /* @__PURE__ */ R("section", {
		class: "choose",
		"aria-label": "Choose a picture",
		children: [e.choices.length > 1 && /* @__PURE__ */ R("label", { children: [
			"Filter prompts ",
			/* @__PURE__ */ R("input", {
				type: "search",
				value: t,
				onInput: (e) => n(e.currentTarget.value)
			}),
			/* @__PURE__ */ R("span", {
				class: "count",
				role: "status",
				children: t ? `${i.length} of ${e.choices.length}` : ""
			})
		] }), /* @__PURE__ */ R("ul", {
			class: "thumbs",
			children: i.map((t) => /* @__PURE__ */ R("li", { children: /* @__PURE__ */ R("button", {
				"aria-pressed": t.index === e.chosen,
				onClick: () => e.onChoose(t.index),
				title: t.text.slice(0, 200),
				children: /* @__PURE__ */ R("img", {
					src: r(t.sheet),
					style: { objectPosition: `0 ${-64 * t.place}px` },
					width: nt,
					height: nt,
					loading: "lazy",
					decoding: "async",
					alt: t.text.slice(0, 120)
				})
			}) }, t.index))
		})]
	});
}
function at(e, t) {
	let n = t.toLowerCase().split(/\s+/).filter(Boolean);
	return e.filter((e) => n.every((t) => e.text.toLowerCase().includes(t)));
}
// ../../../main/web/node_modules/d3-color/dist/d3-color.mjs
function z(e, t, n) {
	e.prototype = t.prototype = n, n.constructor = e;
}
function ot(e, t) {
	var n = Object.create(e.prototype);
	for (var r in t) n[r] = t[r];
	return n;
}
function B() {}
var V = .7, st = 1 / V, ct = "\\s*([+-]?\\d+)\\s*", lt = "\\s*([+-]?(?:\\d*\\.)?\\d+(?:[eE][+-]?\\d+)?)\\s*", H = "\\s*([+-]?(?:\\d*\\.)?\\d+(?:[eE][+-]?\\d+)?)%\\s*", ut = /^#([0-9a-f]{3,8})$/, dt = RegExp(`^rgb\\(${ct},${ct},${ct}\\)$`), ft = RegExp(`^rgb\\(${H},${H},${H}\\)$`), pt = RegExp(`^rgba\\(${ct},${ct},${ct},${lt}\\)$`), mt = RegExp(`^rgba\\(${H},${H},${H},${lt}\\)$`), ht = RegExp(`^hsl\\(${lt},${H},${H}\\)$`), gt = RegExp(`^hsla\\(${lt},${H},${H},${lt}\\)$`), _t = {
	aliceblue: 15792383,
	antiquewhite: 16444375,
	aqua: 65535,
	aquamarine: 8388564,
	azure: 15794175,
	beige: 16119260,
	bisque: 16770244,
	black: 0,
	blanchedalmond: 16772045,
	blue: 255,
	blueviolet: 9055202,
	brown: 10824234,
	burlywood: 14596231,
	cadetblue: 6266528,
	chartreuse: 8388352,
	chocolate: 13789470,
	coral: 16744272,
	cornflowerblue: 6591981,
	cornsilk: 16775388,
	crimson: 14423100,
	cyan: 65535,
	darkblue: 139,
	darkcyan: 35723,
	darkgoldenrod: 12092939,
	darkgray: 11119017,
	darkgreen: 25600,
	darkgrey: 11119017,
	darkkhaki: 12433259,
	darkmagenta: 9109643,
	darkolivegreen: 5597999,
	darkorange: 16747520,
	darkorchid: 10040012,
	darkred: 9109504,
	darksalmon: 15308410,
	darkseagreen: 9419919,
	darkslateblue: 4734347,
	darkslategray: 3100495,
	darkslategrey: 3100495,
	darkturquoise: 52945,
	darkviolet: 9699539,
	deeppink: 16716947,
	deepskyblue: 49151,
	dimgray: 6908265,
	dimgrey: 6908265,
	dodgerblue: 2003199,
	firebrick: 11674146,
	floralwhite: 16775920,
	forestgreen: 2263842,
	fuchsia: 16711935,
	gainsboro: 14474460,
	ghostwhite: 16316671,
	gold: 16766720,
	goldenrod: 14329120,
	gray: 8421504,
	green: 32768,
	greenyellow: 11403055,
	grey: 8421504,
	honeydew: 15794160,
	hotpink: 16738740,
	indianred: 13458524,
	indigo: 4915330,
	ivory: 16777200,
	khaki: 15787660,
	lavender: 15132410,
	lavenderblush: 16773365,
	lawngreen: 8190976,
	lemonchiffon: 16775885,
	lightblue: 11393254,
	lightcoral: 15761536,
	lightcyan: 14745599,
	lightgoldenrodyellow: 16448210,
	lightgray: 13882323,
	lightgreen: 9498256,
	lightgrey: 13882323,
	lightpink: 16758465,
	lightsalmon: 16752762,
	lightseagreen: 2142890,
	lightskyblue: 8900346,
	lightslategray: 7833753,
	lightslategrey: 7833753,
	lightsteelblue: 11584734,
	lightyellow: 16777184,
	lime: 65280,
	limegreen: 3329330,
	linen: 16445670,
	magenta: 16711935,
	maroon: 8388608,
	mediumaquamarine: 6737322,
	mediumblue: 205,
	mediumorchid: 12211667,
	mediumpurple: 9662683,
	mediumseagreen: 3978097,
	mediumslateblue: 8087790,
	mediumspringgreen: 64154,
	mediumturquoise: 4772300,
	mediumvioletred: 13047173,
	midnightblue: 1644912,
	mintcream: 16121850,
	mistyrose: 16770273,
	moccasin: 16770229,
	navajowhite: 16768685,
	navy: 128,
	oldlace: 16643558,
	olive: 8421376,
	olivedrab: 7048739,
	orange: 16753920,
	orangered: 16729344,
	orchid: 14315734,
	palegoldenrod: 15657130,
	palegreen: 10025880,
	paleturquoise: 11529966,
	palevioletred: 14381203,
	papayawhip: 16773077,
	peachpuff: 16767673,
	peru: 13468991,
	pink: 16761035,
	plum: 14524637,
	powderblue: 11591910,
	purple: 8388736,
	rebeccapurple: 6697881,
	red: 16711680,
	rosybrown: 12357519,
	royalblue: 4286945,
	saddlebrown: 9127187,
	salmon: 16416882,
	sandybrown: 16032864,
	seagreen: 3050327,
	seashell: 16774638,
	sienna: 10506797,
	silver: 12632256,
	skyblue: 8900331,
	slateblue: 6970061,
	slategray: 7372944,
	slategrey: 7372944,
	snow: 16775930,
	springgreen: 65407,
	steelblue: 4620980,
	tan: 13808780,
	teal: 32896,
	thistle: 14204888,
	tomato: 16737095,
	turquoise: 4251856,
	violet: 15631086,
	wheat: 16113331,
	white: 16777215,
	whitesmoke: 16119285,
	yellow: 16776960,
	yellowgreen: 10145074
};
z(B, St, {
	copy(e) {
		return Object.assign(new this.constructor(), this, e);
	},
	displayable() {
		return this.rgb().displayable();
	},
	hex: vt,
	formatHex: vt,
	formatHex8: yt,
	formatHsl: bt,
	formatRgb: xt,
	toString: xt
});
function vt() {
	return this.rgb().formatHex();
}
function yt() {
	return this.rgb().formatHex8();
}
function bt() {
	return Mt(this).formatHsl();
}
function xt() {
	return this.rgb().formatRgb();
}
function St(e) {
	var t, n;
	return e = (e + "").trim().toLowerCase(), (t = ut.exec(e)) ? (n = t[1].length, t = parseInt(t[1], 16), n === 6 ? Ct(t) : n === 3 ? new U(t >> 8 & 15 | t >> 4 & 240, t >> 4 & 15 | t & 240, (t & 15) << 4 | t & 15, 1) : n === 8 ? wt(t >> 24 & 255, t >> 16 & 255, t >> 8 & 255, (t & 255) / 255) : n === 4 ? wt(t >> 12 & 15 | t >> 8 & 240, t >> 8 & 15 | t >> 4 & 240, t >> 4 & 15 | t & 240, ((t & 15) << 4 | t & 15) / 255) : null) : (t = dt.exec(e)) ? new U(t[1], t[2], t[3], 1) : (t = ft.exec(e)) ? new U(t[1] * 255 / 100, t[2] * 255 / 100, t[3] * 255 / 100, 1) : (t = pt.exec(e)) ? wt(t[1], t[2], t[3], t[4]) : (t = mt.exec(e)) ? wt(t[1] * 255 / 100, t[2] * 255 / 100, t[3] * 255 / 100, t[4]) : (t = ht.exec(e)) ? jt(t[1], t[2] / 100, t[3] / 100, 1) : (t = gt.exec(e)) ? jt(t[1], t[2] / 100, t[3] / 100, t[4]) : _t.hasOwnProperty(e) ? Ct(_t[e]) : e === "transparent" ? new U(NaN, NaN, NaN, 0) : null;
}
function Ct(e) {
	return new U(e >> 16 & 255, e >> 8 & 255, e & 255, 1);
}
function wt(e, t, n, r) {
	return r <= 0 && (e = t = n = NaN), new U(e, t, n, r);
}
function Tt(e) {
	return e instanceof B || (e = St(e)), e ? (e = e.rgb(), new U(e.r, e.g, e.b, e.opacity)) : new U();
}
function Et(e, t, n, r) {
	return arguments.length === 1 ? Tt(e) : new U(e, t, n, r ?? 1);
}
function U(e, t, n, r) {
	this.r = +e, this.g = +t, this.b = +n, this.opacity = +r;
}
z(U, Et, ot(B, {
	brighter(e) {
		return e = e == null ? st : st ** +e, new U(this.r * e, this.g * e, this.b * e, this.opacity);
	},
	darker(e) {
		return e = e == null ? V : V ** +e, new U(this.r * e, this.g * e, this.b * e, this.opacity);
	},
	rgb() {
		return this;
	},
	clamp() {
		return new U(W(this.r), W(this.g), W(this.b), At(this.opacity));
	},
	displayable() {
		return -.5 <= this.r && this.r < 255.5 && -.5 <= this.g && this.g < 255.5 && -.5 <= this.b && this.b < 255.5 && 0 <= this.opacity && this.opacity <= 1;
	},
	hex: Dt,
	formatHex: Dt,
	formatHex8: Ot,
	formatRgb: kt,
	toString: kt
}));
function Dt() {
	return `#${G(this.r)}${G(this.g)}${G(this.b)}`;
}
function Ot() {
	return `#${G(this.r)}${G(this.g)}${G(this.b)}${G((isNaN(this.opacity) ? 1 : this.opacity) * 255)}`;
}
function kt() {
	let e = At(this.opacity);
	return `${e === 1 ? "rgb(" : "rgba("}${W(this.r)}, ${W(this.g)}, ${W(this.b)}${e === 1 ? ")" : `, ${e})`}`;
}
function At(e) {
	return isNaN(e) ? 1 : Math.max(0, Math.min(1, e));
}
function W(e) {
	return Math.max(0, Math.min(255, Math.round(e) || 0));
}
function G(e) {
	return e = W(e), (e < 16 ? "0" : "") + e.toString(16);
}
function jt(e, t, n, r) {
	return r <= 0 ? e = t = n = NaN : n <= 0 || n >= 1 ? e = t = NaN : t <= 0 && (e = NaN), new K(e, t, n, r);
}
function Mt(e) {
	if (e instanceof K) return new K(e.h, e.s, e.l, e.opacity);
	if (e instanceof B || (e = St(e)), !e) return new K();
	if (e instanceof K) return e;
	e = e.rgb();
	var t = e.r / 255, n = e.g / 255, r = e.b / 255, i = Math.min(t, n, r), a = Math.max(t, n, r), o = NaN, s = a - i, c = (a + i) / 2;
	return s ? (o = t === a ? (n - r) / s + (n < r) * 6 : n === a ? (r - t) / s + 2 : (t - n) / s + 4, s /= c < .5 ? a + i : 2 - a - i, o *= 60) : s = c > 0 && c < 1 ? 0 : o, new K(o, s, c, e.opacity);
}
function Nt(e, t, n, r) {
	return arguments.length === 1 ? Mt(e) : new K(e, t, n, r ?? 1);
}
function K(e, t, n, r) {
	this.h = +e, this.s = +t, this.l = +n, this.opacity = +r;
}
z(K, Nt, ot(B, {
	brighter(e) {
		return e = e == null ? st : st ** +e, new K(this.h, this.s, this.l * e, this.opacity);
	},
	darker(e) {
		return e = e == null ? V : V ** +e, new K(this.h, this.s, this.l * e, this.opacity);
	},
	rgb() {
		var e = this.h % 360 + (this.h < 0) * 360, t = isNaN(e) || isNaN(this.s) ? 0 : this.s, n = this.l, r = n + (n < .5 ? n : 1 - n) * t, i = 2 * n - r;
		return new U(It(e >= 240 ? e - 240 : e + 120, i, r), It(e, i, r), It(e < 120 ? e + 240 : e - 120, i, r), this.opacity);
	},
	clamp() {
		return new K(Pt(this.h), Ft(this.s), Ft(this.l), At(this.opacity));
	},
	displayable() {
		return (0 <= this.s && this.s <= 1 || isNaN(this.s)) && 0 <= this.l && this.l <= 1 && 0 <= this.opacity && this.opacity <= 1;
	},
	formatHsl() {
		let e = At(this.opacity);
		return `${e === 1 ? "hsl(" : "hsla("}${Pt(this.h)}, ${Ft(this.s) * 100}%, ${Ft(this.l) * 100}%${e === 1 ? ")" : `, ${e})`}`;
	}
}));
function Pt(e) {
	return e = (e || 0) % 360, e < 0 ? e + 360 : e;
}
function Ft(e) {
	return Math.max(0, Math.min(1, e || 0));
}
function It(e, t, n) {
	return (e < 60 ? t + (n - t) * e / 60 : e < 180 ? n : e < 240 ? t + (n - t) * (240 - e) / 60 : t) * 255;
}
var Lt = Math.PI / 180, Rt = 180 / Math.PI, zt = 18, Bt = .96422, Vt = 1, Ht = .82521, Ut = 4 / 29, Wt = 6 / 29, Gt = 3 * Wt * Wt, Kt = Wt * Wt * Wt;
function qt(e) {
	if (e instanceof q) return new q(e.l, e.a, e.b, e.opacity);
	if (e instanceof J) return tn(e);
	e instanceof U || (e = Tt(e));
	var t = Qt(e.r), n = Qt(e.g), r = Qt(e.b), i = Yt((.2225045 * t + .7168786 * n + .0606169 * r) / Vt), a, o;
	return t === n && n === r ? a = o = i : (a = Yt((.4360747 * t + .3850649 * n + .1430804 * r) / Bt), o = Yt((.0139322 * t + .0971045 * n + .7141733 * r) / Ht)), new q(116 * i - 16, 500 * (a - i), 200 * (i - o), e.opacity);
}
function Jt(e, t, n, r) {
	return arguments.length === 1 ? qt(e) : new q(e, t, n, r ?? 1);
}
function q(e, t, n, r) {
	this.l = +e, this.a = +t, this.b = +n, this.opacity = +r;
}
z(q, Jt, ot(B, {
	brighter(e) {
		return new q(this.l + zt * (e ?? 1), this.a, this.b, this.opacity);
	},
	darker(e) {
		return new q(this.l - zt * (e ?? 1), this.a, this.b, this.opacity);
	},
	rgb() {
		var e = (this.l + 16) / 116, t = isNaN(this.a) ? e : e + this.a / 500, n = isNaN(this.b) ? e : e - this.b / 200;
		return t = Bt * Xt(t), e = Vt * Xt(e), n = Ht * Xt(n), new U(Zt(3.1338561 * t - 1.6168667 * e - .4906146 * n), Zt(-.9787684 * t + 1.9161415 * e + .033454 * n), Zt(.0719453 * t - .2289914 * e + 1.4052427 * n), this.opacity);
	}
}));
function Yt(e) {
	return e > Kt ? e ** (1 / 3) : e / Gt + Ut;
}
function Xt(e) {
	return e > Wt ? e * e * e : Gt * (e - Ut);
}
function Zt(e) {
	return 255 * (e <= .0031308 ? 12.92 * e : 1.055 * e ** (1 / 2.4) - .055);
}
function Qt(e) {
	return (e /= 255) <= .04045 ? e / 12.92 : ((e + .055) / 1.055) ** 2.4;
}
function $t(e) {
	if (e instanceof J) return new J(e.h, e.c, e.l, e.opacity);
	if (e instanceof q || (e = qt(e)), e.a === 0 && e.b === 0) return new J(NaN, 0 < e.l && e.l < 100 ? 0 : NaN, e.l, e.opacity);
	var t = Math.atan2(e.b, e.a) * Rt;
	return new J(t < 0 ? t + 360 : t, Math.sqrt(e.a * e.a + e.b * e.b), e.l, e.opacity);
}
function en(e, t, n, r) {
	return arguments.length === 1 ? $t(e) : new J(e, t, n, r ?? 1);
}
function J(e, t, n, r) {
	this.h = +e, this.c = +t, this.l = +n, this.opacity = +r;
}
function tn(e) {
	if (isNaN(e.h)) return new q(e.l, 0, 0, e.opacity);
	var t = e.h * Lt;
	return new q(e.l, Math.cos(t) * e.c, Math.sin(t) * e.c, e.opacity);
}
z(J, en, ot(B, {
	brighter(e) {
		return new J(this.h, this.c, this.l + zt * (e ?? 1), this.opacity);
	},
	darker(e) {
		return new J(this.h, this.c, this.l - zt * (e ?? 1), this.opacity);
	},
	rgb() {
		return tn(this).rgb();
	}
}));
var nn = -.14861, rn = 1.78277, an = -.29227, on = -.90649, sn = 1.97294, cn = sn * on, ln = sn * rn, un = rn * an - on * nn;
function dn(e) {
	if (e instanceof X) return new X(e.h, e.s, e.l, e.opacity);
	e instanceof U || (e = Tt(e));
	var t = e.r / 255, n = e.g / 255, r = e.b / 255, i = (un * r + cn * t - ln * n) / (un + cn - ln), a = r - i, o = (sn * (n - i) - an * a) / on, s = Math.sqrt(o * o + a * a) / (sn * i * (1 - i)), c = s ? Math.atan2(o, a) * Rt - 120 : NaN;
	return new X(c < 0 ? c + 360 : c, s, i, e.opacity);
}
function Y(e, t, n, r) {
	return arguments.length === 1 ? dn(e) : new X(e, t, n, r ?? 1);
}
function X(e, t, n, r) {
	this.h = +e, this.s = +t, this.l = +n, this.opacity = +r;
}
z(X, Y, ot(B, {
	brighter(e) {
		return e = e == null ? st : st ** +e, new X(this.h, this.s, this.l * e, this.opacity);
	},
	darker(e) {
		return e = e == null ? V : V ** +e, new X(this.h, this.s, this.l * e, this.opacity);
	},
	rgb() {
		var e = isNaN(this.h) ? 0 : (this.h + 120) * Lt, t = +this.l, n = isNaN(this.s) ? 0 : this.s * t * (1 - t), r = Math.cos(e), i = Math.sin(e);
		return new U(255 * (t + n * (nn * r + rn * i)), 255 * (t + n * (an * r + on * i)), 255 * (t + sn * r * n), this.opacity);
	}
}));
// ../../../main/web/node_modules/d3-interpolate/dist/d3-interpolate.mjs
function fn(e, t, n, r, i) {
	var a = e * e, o = a * e;
	return ((1 - 3 * e + 3 * a - o) * t + (4 - 6 * a + 3 * o) * n + (1 + 3 * e + 3 * a - 3 * o) * r + o * i) / 6;
}
function pn(e) {
	var t = e.length - 1;
	return function(n) {
		var r = n <= 0 ? n = 0 : n >= 1 ? (n = 1, t - 1) : Math.floor(n * t), i = e[r], a = e[r + 1], o = r > 0 ? e[r - 1] : 2 * i - a, s = r < t - 1 ? e[r + 2] : 2 * a - i;
		return fn((n - r / t) * t, o, i, a, s);
	};
}
var mn = (e) => () => e;
function hn(e, t) {
	return function(n) {
		return e + n * t;
	};
}
function gn(e, t, n) {
	return e **= +n, t = t ** +n - e, n = 1 / n, function(r) {
		return (e + r * t) ** +n;
	};
}
function _n(e, t) {
	var n = t - e;
	return n ? hn(e, n > 180 || n < -180 ? n - 360 * Math.round(n / 360) : n) : mn(isNaN(e) ? t : e);
}
function vn(e) {
	return (e = +e) == 1 ? yn : function(t, n) {
		return n - t ? gn(t, n, e) : mn(isNaN(t) ? n : t);
	};
}
function yn(e, t) {
	var n = t - e;
	return n ? hn(e, n) : mn(isNaN(e) ? t : e);
}
(function e(t) {
	var n = vn(t);
	function r(e, t) {
		var r = n((e = Et(e)).r, (t = Et(t)).r), i = n(e.g, t.g), a = n(e.b, t.b), o = yn(e.opacity, t.opacity);
		return function(t) {
			return e.r = r(t), e.g = i(t), e.b = a(t), e.opacity = o(t), e + "";
		};
	}
	return r.gamma = e, r;
})(1);
function bn(e) {
	return function(t) {
		for (var n = t.length, r = Array(n), i = Array(n), a = Array(n), o = 0, s; o < n; ++o) s = Et(t[o]), r[o] = s.r || 0, i[o] = s.g || 0, a[o] = s.b || 0;
		return r = e(r), i = e(i), a = e(a), s.opacity = 1, function(e) {
			return s.r = r(e), s.g = i(e), s.b = a(e), s + "";
		};
	};
}
var xn = bn(pn), Sn = 1e-12;
function Cn(e) {
	return ((e = Math.exp(e)) + 1 / e) / 2;
}
function wn(e) {
	return ((e = Math.exp(e)) - 1 / e) / 2;
}
function Tn(e) {
	return ((e = Math.exp(2 * e)) - 1) / (e + 1);
}
(function e(t, n, r) {
	function i(e, i) {
		var a = e[0], o = e[1], s = e[2], c = i[0], l = i[1], u = i[2], d = c - a, f = l - o, p = d * d + f * f, m, h;
		if (p < Sn) h = Math.log(u / s) / t, m = function(e) {
			return [
				a + e * d,
				o + e * f,
				s * Math.exp(t * e * h)
			];
		};
		else {
			var g = Math.sqrt(p), _ = (u * u - s * s + r * p) / (2 * s * n * g), v = (u * u - s * s - r * p) / (2 * u * n * g), y = Math.log(Math.sqrt(_ * _ + 1) - _);
			h = (Math.log(Math.sqrt(v * v + 1) - v) - y) / t, m = function(e) {
				var r = e * h, i = Cn(y), c = s / (n * g) * (i * Tn(t * r + y) - wn(y));
				return [
					a + c * d,
					o + c * f,
					s * i / Cn(t * r + y)
				];
			};
		}
		return m.duration = Math.abs(h) * 1e3 * t / Math.SQRT2, m;
	}
	return i.rho = function(t) {
		var n = Math.max(.001, +t), r = n * n;
		return e(n, r, r * r);
	}, i;
})(Math.SQRT2, 2, 4);
function En(e) {
	return (function t(n) {
		n = +n;
		function r(t, r) {
			var i = e((t = Y(t)).h, (r = Y(r)).h), a = yn(t.s, r.s), o = yn(t.l, r.l), s = yn(t.opacity, r.opacity);
			return function(e) {
				return t.h = i(e), t.s = a(e), t.l = o(e ** +n), t.opacity = s(e), t + "";
			};
		}
		return r.gamma = t, r;
	})(1);
}
En(_n);
var Dn = En(yn);
// ../../../main/web/node_modules/d3-scale-chromatic/dist/d3-scale-chromatic.mjs
function Z(e) {
	for (var t = e.length / 6 | 0, n = Array(t), r = 0; r < t;) n[r] = "#" + e.slice(r * 6, ++r * 6);
	return n;
}
Z("1f77b4ff7f0e2ca02cd627289467bd8c564be377c27f7f7fbcbd2217becf"), Z("7fc97fbeaed4fdc086ffff99386cb0f0027fbf5b17666666"), Z("1b9e77d95f027570b3e7298a66a61ee6ab02a6761d666666"), Z("4269d0efb118ff725c6cc5b03ca951ff8ab7a463f297bbf59c6b4e9498a0"), Z("a6cee31f78b4b2df8a33a02cfb9a99e31a1cfdbf6fff7f00cab2d66a3d9affff99b15928"), Z("fbb4aeb3cde3ccebc5decbe4fed9a6ffffcce5d8bdfddaecf2f2f2"), Z("b3e2cdfdcdaccbd5e8f4cae4e6f5c9fff2aef1e2cccccccc"), Z("e41a1c377eb84daf4a984ea3ff7f00ffff33a65628f781bf999999"), Z("66c2a5fc8d628da0cbe78ac3a6d854ffd92fe5c494b3b3b3"), Z("8dd3c7ffffb3bebadafb807280b1d3fdb462b3de69fccde5d9d9d9bc80bdccebc5ffed6f"), Z("4e79a7f28e2ce1575976b7b259a14fedc949af7aa1ff9da79c755fbab0ab");
var Q = (e) => xn(e[e.length - 1]);
Q([
	,
	,
	,
	"d8b365f5f5f55ab4ac",
	"a6611adfc27d80cdc1018571",
	"a6611adfc27df5f5f580cdc1018571",
	"8c510ad8b365f6e8c3c7eae55ab4ac01665e",
	"8c510ad8b365f6e8c3f5f5f5c7eae55ab4ac01665e",
	"8c510abf812ddfc27df6e8c3c7eae580cdc135978f01665e",
	"8c510abf812ddfc27df6e8c3f5f5f5c7eae580cdc135978f01665e",
	"5430058c510abf812ddfc27df6e8c3c7eae580cdc135978f01665e003c30",
	"5430058c510abf812ddfc27df6e8c3f5f5f5c7eae580cdc135978f01665e003c30"
].map(Z)), Q([
	,
	,
	,
	"af8dc3f7f7f77fbf7b",
	"7b3294c2a5cfa6dba0008837",
	"7b3294c2a5cff7f7f7a6dba0008837",
	"762a83af8dc3e7d4e8d9f0d37fbf7b1b7837",
	"762a83af8dc3e7d4e8f7f7f7d9f0d37fbf7b1b7837",
	"762a839970abc2a5cfe7d4e8d9f0d3a6dba05aae611b7837",
	"762a839970abc2a5cfe7d4e8f7f7f7d9f0d3a6dba05aae611b7837",
	"40004b762a839970abc2a5cfe7d4e8d9f0d3a6dba05aae611b783700441b",
	"40004b762a839970abc2a5cfe7d4e8f7f7f7d9f0d3a6dba05aae611b783700441b"
].map(Z)), Q([
	,
	,
	,
	"e9a3c9f7f7f7a1d76a",
	"d01c8bf1b6dab8e1864dac26",
	"d01c8bf1b6daf7f7f7b8e1864dac26",
	"c51b7de9a3c9fde0efe6f5d0a1d76a4d9221",
	"c51b7de9a3c9fde0eff7f7f7e6f5d0a1d76a4d9221",
	"c51b7dde77aef1b6dafde0efe6f5d0b8e1867fbc414d9221",
	"c51b7dde77aef1b6dafde0eff7f7f7e6f5d0b8e1867fbc414d9221",
	"8e0152c51b7dde77aef1b6dafde0efe6f5d0b8e1867fbc414d9221276419",
	"8e0152c51b7dde77aef1b6dafde0eff7f7f7e6f5d0b8e1867fbc414d9221276419"
].map(Z)), Q([
	,
	,
	,
	"998ec3f7f7f7f1a340",
	"5e3c99b2abd2fdb863e66101",
	"5e3c99b2abd2f7f7f7fdb863e66101",
	"542788998ec3d8daebfee0b6f1a340b35806",
	"542788998ec3d8daebf7f7f7fee0b6f1a340b35806",
	"5427888073acb2abd2d8daebfee0b6fdb863e08214b35806",
	"5427888073acb2abd2d8daebf7f7f7fee0b6fdb863e08214b35806",
	"2d004b5427888073acb2abd2d8daebfee0b6fdb863e08214b358067f3b08",
	"2d004b5427888073acb2abd2d8daebf7f7f7fee0b6fdb863e08214b358067f3b08"
].map(Z)), Q([
	,
	,
	,
	"ef8a62f7f7f767a9cf",
	"ca0020f4a58292c5de0571b0",
	"ca0020f4a582f7f7f792c5de0571b0",
	"b2182bef8a62fddbc7d1e5f067a9cf2166ac",
	"b2182bef8a62fddbc7f7f7f7d1e5f067a9cf2166ac",
	"b2182bd6604df4a582fddbc7d1e5f092c5de4393c32166ac",
	"b2182bd6604df4a582fddbc7f7f7f7d1e5f092c5de4393c32166ac",
	"67001fb2182bd6604df4a582fddbc7d1e5f092c5de4393c32166ac053061",
	"67001fb2182bd6604df4a582fddbc7f7f7f7d1e5f092c5de4393c32166ac053061"
].map(Z)), Q([
	,
	,
	,
	"ef8a62ffffff999999",
	"ca0020f4a582bababa404040",
	"ca0020f4a582ffffffbababa404040",
	"b2182bef8a62fddbc7e0e0e09999994d4d4d",
	"b2182bef8a62fddbc7ffffffe0e0e09999994d4d4d",
	"b2182bd6604df4a582fddbc7e0e0e0bababa8787874d4d4d",
	"b2182bd6604df4a582fddbc7ffffffe0e0e0bababa8787874d4d4d",
	"67001fb2182bd6604df4a582fddbc7e0e0e0bababa8787874d4d4d1a1a1a",
	"67001fb2182bd6604df4a582fddbc7ffffffe0e0e0bababa8787874d4d4d1a1a1a"
].map(Z)), Q([
	,
	,
	,
	"fc8d59ffffbf91bfdb",
	"d7191cfdae61abd9e92c7bb6",
	"d7191cfdae61ffffbfabd9e92c7bb6",
	"d73027fc8d59fee090e0f3f891bfdb4575b4",
	"d73027fc8d59fee090ffffbfe0f3f891bfdb4575b4",
	"d73027f46d43fdae61fee090e0f3f8abd9e974add14575b4",
	"d73027f46d43fdae61fee090ffffbfe0f3f8abd9e974add14575b4",
	"a50026d73027f46d43fdae61fee090e0f3f8abd9e974add14575b4313695",
	"a50026d73027f46d43fdae61fee090ffffbfe0f3f8abd9e974add14575b4313695"
].map(Z)), Q([
	,
	,
	,
	"fc8d59ffffbf91cf60",
	"d7191cfdae61a6d96a1a9641",
	"d7191cfdae61ffffbfa6d96a1a9641",
	"d73027fc8d59fee08bd9ef8b91cf601a9850",
	"d73027fc8d59fee08bffffbfd9ef8b91cf601a9850",
	"d73027f46d43fdae61fee08bd9ef8ba6d96a66bd631a9850",
	"d73027f46d43fdae61fee08bffffbfd9ef8ba6d96a66bd631a9850",
	"a50026d73027f46d43fdae61fee08bd9ef8ba6d96a66bd631a9850006837",
	"a50026d73027f46d43fdae61fee08bffffbfd9ef8ba6d96a66bd631a9850006837"
].map(Z)), Q([
	,
	,
	,
	"fc8d59ffffbf99d594",
	"d7191cfdae61abdda42b83ba",
	"d7191cfdae61ffffbfabdda42b83ba",
	"d53e4ffc8d59fee08be6f59899d5943288bd",
	"d53e4ffc8d59fee08bffffbfe6f59899d5943288bd",
	"d53e4ff46d43fdae61fee08be6f598abdda466c2a53288bd",
	"d53e4ff46d43fdae61fee08bffffbfe6f598abdda466c2a53288bd",
	"9e0142d53e4ff46d43fdae61fee08be6f598abdda466c2a53288bd5e4fa2",
	"9e0142d53e4ff46d43fdae61fee08bffffbfe6f598abdda466c2a53288bd5e4fa2"
].map(Z)), Q([
	,
	,
	,
	"e5f5f999d8c92ca25f",
	"edf8fbb2e2e266c2a4238b45",
	"edf8fbb2e2e266c2a42ca25f006d2c",
	"edf8fbccece699d8c966c2a42ca25f006d2c",
	"edf8fbccece699d8c966c2a441ae76238b45005824",
	"f7fcfde5f5f9ccece699d8c966c2a441ae76238b45005824",
	"f7fcfde5f5f9ccece699d8c966c2a441ae76238b45006d2c00441b"
].map(Z)), Q([
	,
	,
	,
	"e0ecf49ebcda8856a7",
	"edf8fbb3cde38c96c688419d",
	"edf8fbb3cde38c96c68856a7810f7c",
	"edf8fbbfd3e69ebcda8c96c68856a7810f7c",
	"edf8fbbfd3e69ebcda8c96c68c6bb188419d6e016b",
	"f7fcfde0ecf4bfd3e69ebcda8c96c68c6bb188419d6e016b",
	"f7fcfde0ecf4bfd3e69ebcda8c96c68c6bb188419d810f7c4d004b"
].map(Z)), Q([
	,
	,
	,
	"e0f3dba8ddb543a2ca",
	"f0f9e8bae4bc7bccc42b8cbe",
	"f0f9e8bae4bc7bccc443a2ca0868ac",
	"f0f9e8ccebc5a8ddb57bccc443a2ca0868ac",
	"f0f9e8ccebc5a8ddb57bccc44eb3d32b8cbe08589e",
	"f7fcf0e0f3dbccebc5a8ddb57bccc44eb3d32b8cbe08589e",
	"f7fcf0e0f3dbccebc5a8ddb57bccc44eb3d32b8cbe0868ac084081"
].map(Z)), Q([
	,
	,
	,
	"fee8c8fdbb84e34a33",
	"fef0d9fdcc8afc8d59d7301f",
	"fef0d9fdcc8afc8d59e34a33b30000",
	"fef0d9fdd49efdbb84fc8d59e34a33b30000",
	"fef0d9fdd49efdbb84fc8d59ef6548d7301f990000",
	"fff7ecfee8c8fdd49efdbb84fc8d59ef6548d7301f990000",
	"fff7ecfee8c8fdd49efdbb84fc8d59ef6548d7301fb300007f0000"
].map(Z)), Q([
	,
	,
	,
	"ece2f0a6bddb1c9099",
	"f6eff7bdc9e167a9cf02818a",
	"f6eff7bdc9e167a9cf1c9099016c59",
	"f6eff7d0d1e6a6bddb67a9cf1c9099016c59",
	"f6eff7d0d1e6a6bddb67a9cf3690c002818a016450",
	"fff7fbece2f0d0d1e6a6bddb67a9cf3690c002818a016450",
	"fff7fbece2f0d0d1e6a6bddb67a9cf3690c002818a016c59014636"
].map(Z)), Q([
	,
	,
	,
	"ece7f2a6bddb2b8cbe",
	"f1eef6bdc9e174a9cf0570b0",
	"f1eef6bdc9e174a9cf2b8cbe045a8d",
	"f1eef6d0d1e6a6bddb74a9cf2b8cbe045a8d",
	"f1eef6d0d1e6a6bddb74a9cf3690c00570b0034e7b",
	"fff7fbece7f2d0d1e6a6bddb74a9cf3690c00570b0034e7b",
	"fff7fbece7f2d0d1e6a6bddb74a9cf3690c00570b0045a8d023858"
].map(Z)), Q([
	,
	,
	,
	"e7e1efc994c7dd1c77",
	"f1eef6d7b5d8df65b0ce1256",
	"f1eef6d7b5d8df65b0dd1c77980043",
	"f1eef6d4b9dac994c7df65b0dd1c77980043",
	"f1eef6d4b9dac994c7df65b0e7298ace125691003f",
	"f7f4f9e7e1efd4b9dac994c7df65b0e7298ace125691003f",
	"f7f4f9e7e1efd4b9dac994c7df65b0e7298ace125698004367001f"
].map(Z)), Q([
	,
	,
	,
	"fde0ddfa9fb5c51b8a",
	"feebe2fbb4b9f768a1ae017e",
	"feebe2fbb4b9f768a1c51b8a7a0177",
	"feebe2fcc5c0fa9fb5f768a1c51b8a7a0177",
	"feebe2fcc5c0fa9fb5f768a1dd3497ae017e7a0177",
	"fff7f3fde0ddfcc5c0fa9fb5f768a1dd3497ae017e7a0177",
	"fff7f3fde0ddfcc5c0fa9fb5f768a1dd3497ae017e7a017749006a"
].map(Z)), Q([
	,
	,
	,
	"edf8b17fcdbb2c7fb8",
	"ffffcca1dab441b6c4225ea8",
	"ffffcca1dab441b6c42c7fb8253494",
	"ffffccc7e9b47fcdbb41b6c42c7fb8253494",
	"ffffccc7e9b47fcdbb41b6c41d91c0225ea80c2c84",
	"ffffd9edf8b1c7e9b47fcdbb41b6c41d91c0225ea80c2c84",
	"ffffd9edf8b1c7e9b47fcdbb41b6c41d91c0225ea8253494081d58"
].map(Z)), Q([
	,
	,
	,
	"f7fcb9addd8e31a354",
	"ffffccc2e69978c679238443",
	"ffffccc2e69978c67931a354006837",
	"ffffccd9f0a3addd8e78c67931a354006837",
	"ffffccd9f0a3addd8e78c67941ab5d238443005a32",
	"ffffe5f7fcb9d9f0a3addd8e78c67941ab5d238443005a32",
	"ffffe5f7fcb9d9f0a3addd8e78c67941ab5d238443006837004529"
].map(Z)), Q([
	,
	,
	,
	"fff7bcfec44fd95f0e",
	"ffffd4fed98efe9929cc4c02",
	"ffffd4fed98efe9929d95f0e993404",
	"ffffd4fee391fec44ffe9929d95f0e993404",
	"ffffd4fee391fec44ffe9929ec7014cc4c028c2d04",
	"ffffe5fff7bcfee391fec44ffe9929ec7014cc4c028c2d04",
	"ffffe5fff7bcfee391fec44ffe9929ec7014cc4c02993404662506"
].map(Z)), Q([
	,
	,
	,
	"ffeda0feb24cf03b20",
	"ffffb2fecc5cfd8d3ce31a1c",
	"ffffb2fecc5cfd8d3cf03b20bd0026",
	"ffffb2fed976feb24cfd8d3cf03b20bd0026",
	"ffffb2fed976feb24cfd8d3cfc4e2ae31a1cb10026",
	"ffffccffeda0fed976feb24cfd8d3cfc4e2ae31a1cb10026",
	"ffffccffeda0fed976feb24cfd8d3cfc4e2ae31a1cbd0026800026"
].map(Z)), Q([
	,
	,
	,
	"deebf79ecae13182bd",
	"eff3ffbdd7e76baed62171b5",
	"eff3ffbdd7e76baed63182bd08519c",
	"eff3ffc6dbef9ecae16baed63182bd08519c",
	"eff3ffc6dbef9ecae16baed64292c62171b5084594",
	"f7fbffdeebf7c6dbef9ecae16baed64292c62171b5084594",
	"f7fbffdeebf7c6dbef9ecae16baed64292c62171b508519c08306b"
].map(Z)), Q([
	,
	,
	,
	"e5f5e0a1d99b31a354",
	"edf8e9bae4b374c476238b45",
	"edf8e9bae4b374c47631a354006d2c",
	"edf8e9c7e9c0a1d99b74c47631a354006d2c",
	"edf8e9c7e9c0a1d99b74c47641ab5d238b45005a32",
	"f7fcf5e5f5e0c7e9c0a1d99b74c47641ab5d238b45005a32",
	"f7fcf5e5f5e0c7e9c0a1d99b74c47641ab5d238b45006d2c00441b"
].map(Z)), Q([
	,
	,
	,
	"f0f0f0bdbdbd636363",
	"f7f7f7cccccc969696525252",
	"f7f7f7cccccc969696636363252525",
	"f7f7f7d9d9d9bdbdbd969696636363252525",
	"f7f7f7d9d9d9bdbdbd969696737373525252252525",
	"fffffff0f0f0d9d9d9bdbdbd969696737373525252252525",
	"fffffff0f0f0d9d9d9bdbdbd969696737373525252252525000000"
].map(Z)), Q([
	,
	,
	,
	"efedf5bcbddc756bb1",
	"f2f0f7cbc9e29e9ac86a51a3",
	"f2f0f7cbc9e29e9ac8756bb154278f",
	"f2f0f7dadaebbcbddc9e9ac8756bb154278f",
	"f2f0f7dadaebbcbddc9e9ac8807dba6a51a34a1486",
	"fcfbfdefedf5dadaebbcbddc9e9ac8807dba6a51a34a1486",
	"fcfbfdefedf5dadaebbcbddc9e9ac8807dba6a51a354278f3f007d"
].map(Z)), Q([
	,
	,
	,
	"fee0d2fc9272de2d26",
	"fee5d9fcae91fb6a4acb181d",
	"fee5d9fcae91fb6a4ade2d26a50f15",
	"fee5d9fcbba1fc9272fb6a4ade2d26a50f15",
	"fee5d9fcbba1fc9272fb6a4aef3b2ccb181d99000d",
	"fff5f0fee0d2fcbba1fc9272fb6a4aef3b2ccb181d99000d",
	"fff5f0fee0d2fcbba1fc9272fb6a4aef3b2ccb181da50f1567000d"
].map(Z)), Q([
	,
	,
	,
	"fee6cefdae6be6550d",
	"feeddefdbe85fd8d3cd94701",
	"feeddefdbe85fd8d3ce6550da63603",
	"feeddefdd0a2fdae6bfd8d3ce6550da63603",
	"feeddefdd0a2fdae6bfd8d3cf16913d948018c2d04",
	"fff5ebfee6cefdd0a2fdae6bfd8d3cf16913d948018c2d04",
	"fff5ebfee6cefdd0a2fdae6bfd8d3cf16913d94801a636037f2704"
].map(Z)), Dn(Y(300, .5, 0), Y(-240, .5, 1)), Dn(Y(-100, .75, .35), Y(80, 1.5, .8)), Dn(Y(260, .75, .35), Y(80, 1.5, .8)), Y(), Et();
function On(e) {
	return e = Math.max(0, Math.min(1, e)), "rgb(" + Math.max(0, Math.min(255, Math.round(34.61 + e * (1172.33 - e * (10793.56 - e * (33300.12 - e * (38394.49 - e * 14825.05))))))) + ", " + Math.max(0, Math.min(255, Math.round(23.31 + e * (557.33 + e * (1225.33 - e * (3574.96 - e * (1073.77 + e * 707.56))))))) + ", " + Math.max(0, Math.min(255, Math.round(27.2 + e * (3211.1 - e * (15327.97 - e * (27814 - e * (22569.18 - e * 6838.66))))))) + ")";
}
function kn(e) {
	var t = e.length;
	return function(n) {
		return e[Math.max(0, Math.min(t - 1, Math.floor(n * t)))];
	};
}
var An = kn(Z("44015444025645045745055946075a46085c460a5d460b5e470d60470e6147106347116447136548146748166848176948186a481a6c481b6d481c6e481d6f481f70482071482173482374482475482576482677482878482979472a7a472c7a472d7b472e7c472f7d46307e46327e46337f463480453581453781453882443983443a83443b84433d84433e85423f854240864241864142874144874045884046883f47883f48893e49893e4a893e4c8a3d4d8a3d4e8a3c4f8a3c508b3b518b3b528b3a538b3a548c39558c39568c38588c38598c375a8c375b8d365c8d365d8d355e8d355f8d34608d34618d33628d33638d32648e32658e31668e31678e31688e30698e306a8e2f6b8e2f6c8e2e6d8e2e6e8e2e6f8e2d708e2d718e2c718e2c728e2c738e2b748e2b758e2a768e2a778e2a788e29798e297a8e297b8e287c8e287d8e277e8e277f8e27808e26818e26828e26828e25838e25848e25858e24868e24878e23888e23898e238a8d228b8d228c8d228d8d218e8d218f8d21908d21918c20928c20928c20938c1f948c1f958b1f968b1f978b1f988b1f998a1f9a8a1e9b8a1e9c891e9d891f9e891f9f881fa0881fa1881fa1871fa28720a38620a48621a58521a68522a78522a88423a98324aa8325ab8225ac8226ad8127ad8128ae8029af7f2ab07f2cb17e2db27d2eb37c2fb47c31b57b32b67a34b67935b77937b87838b9773aba763bbb753dbc743fbc7340bd7242be7144bf7046c06f48c16e4ac16d4cc26c4ec36b50c46a52c56954c56856c66758c7655ac8645cc8635ec96260ca6063cb5f65cb5e67cc5c69cd5b6ccd5a6ece5870cf5773d05675d05477d1537ad1517cd2507fd34e81d34d84d44b86d54989d5488bd6468ed64590d74393d74195d84098d83e9bd93c9dd93ba0da39a2da37a5db36a8db34aadc32addc30b0dd2fb2dd2db5de2bb8de29bade28bddf26c0df25c2df23c5e021c8e020cae11fcde11dd0e11cd2e21bd5e21ad8e219dae319dde318dfe318e2e418e5e419e7e419eae51aece51befe51cf1e51df4e61ef6e620f8e621fbe723fde725"));
kn(Z("00000401000501010601010802010902020b02020d03030f03031204041405041606051806051a07061c08071e0907200a08220b09240c09260d0a290e0b2b100b2d110c2f120d31130d34140e36150e38160f3b180f3d19103f1a10421c10441d11471e114920114b21114e22115024125325125527125829115a2a115c2c115f2d11612f116331116533106734106936106b38106c390f6e3b0f703d0f713f0f72400f74420f75440f764510774710784910784a10794c117a4e117b4f127b51127c52137c54137d56147d57157e59157e5a167e5c167f5d177f5f187f601880621980641a80651a80671b80681c816a1c816b1d816d1d816e1e81701f81721f817320817521817621817822817922827b23827c23827e24828025828125818326818426818627818827818928818b29818c29818e2a81902a81912b81932b80942c80962c80982d80992d809b2e7f9c2e7f9e2f7fa02f7fa1307ea3307ea5317ea6317da8327daa337dab337cad347cae347bb0357bb2357bb3367ab5367ab73779b83779ba3878bc3978bd3977bf3a77c03a76c23b75c43c75c53c74c73d73c83e73ca3e72cc3f71cd4071cf4070d0416fd2426fd3436ed5446dd6456cd8456cd9466bdb476adc4869de4968df4a68e04c67e24d66e34e65e44f64e55064e75263e85362e95462ea5661eb5760ec5860ed5a5fee5b5eef5d5ef05f5ef1605df2625df2645cf3655cf4675cf4695cf56b5cf66c5cf66e5cf7705cf7725cf8745cf8765cf9785df9795df97b5dfa7d5efa7f5efa815ffb835ffb8560fb8761fc8961fc8a62fc8c63fc8e64fc9065fd9266fd9467fd9668fd9869fd9a6afd9b6bfe9d6cfe9f6dfea16efea36ffea571fea772fea973feaa74feac76feae77feb078feb27afeb47bfeb67cfeb77efeb97ffebb81febd82febf84fec185fec287fec488fec68afec88cfeca8dfecc8ffecd90fecf92fed194fed395fed597fed799fed89afdda9cfddc9efddea0fde0a1fde2a3fde3a5fde5a7fde7a9fde9aafdebacfcecaefceeb0fcf0b2fcf2b4fcf4b6fcf6b8fcf7b9fcf9bbfcfbbdfcfdbf")), kn(Z("00000401000501010601010802010a02020c02020e03021004031204031405041706041907051b08051d09061f0a07220b07240c08260d08290e092b10092d110a30120a32140b34150b37160b39180c3c190c3e1b0c411c0c431e0c451f0c48210c4a230c4c240c4f260c51280b53290b552b0b572d0b592f0a5b310a5c320a5e340a5f3609613809623909633b09643d09653e0966400a67420a68440a68450a69470b6a490b6a4a0c6b4c0c6b4d0d6c4f0d6c510e6c520e6d540f6d550f6d57106e59106e5a116e5c126e5d126e5f136e61136e62146e64156e65156e67166e69166e6a176e6c186e6d186e6f196e71196e721a6e741a6e751b6e771c6d781c6d7a1d6d7c1d6d7d1e6d7f1e6c801f6c82206c84206b85216b87216b88226a8a226a8c23698d23698f24699025689225689326679526679727669827669a28659b29649d29649f2a63a02a63a22b62a32c61a52c60a62d60a82e5fa92e5eab2f5ead305dae305cb0315bb1325ab3325ab43359b63458b73557b93556ba3655bc3754bd3853bf3952c03a51c13a50c33b4fc43c4ec63d4dc73e4cc83f4bca404acb4149cc4248ce4347cf4446d04545d24644d34743d44842d54a41d74b3fd84c3ed94d3dda4e3cdb503bdd513ade5238df5337e05536e15635e25734e35933e45a31e55c30e65d2fe75e2ee8602de9612bea632aeb6429eb6628ec6726ed6925ee6a24ef6c23ef6e21f06f20f1711ff1731df2741cf3761bf37819f47918f57b17f57d15f67e14f68013f78212f78410f8850ff8870ef8890cf98b0bf98c0af98e09fa9008fa9207fa9407fb9606fb9706fb9906fb9b06fb9d07fc9f07fca108fca309fca50afca60cfca80dfcaa0ffcac11fcae12fcb014fcb216fcb418fbb61afbb81dfbba1ffbbc21fbbe23fac026fac228fac42afac62df9c72ff9c932f9cb35f8cd37f8cf3af7d13df7d340f6d543f6d746f5d949f5db4cf4dd4ff4df53f4e156f3e35af3e55df2e661f2e865f2ea69f1ec6df1ed71f1ef75f1f179f2f27df2f482f3f586f3f68af4f88ef5f992f6fa96f8fb9af9fc9dfafda1fcffa4")), kn(Z("0d088710078813078916078a19068c1b068d1d068e20068f2206902406912605912805922a05932c05942e05952f059631059733059735049837049938049a3a049a3c049b3e049c3f049c41049d43039e44039e46039f48039f4903a04b03a14c02a14e02a25002a25102a35302a35502a45601a45801a45901a55b01a55c01a65e01a66001a66100a76300a76400a76600a76700a86900a86a00a86c00a86e00a86f00a87100a87201a87401a87501a87701a87801a87a02a87b02a87d03a87e03a88004a88104a78305a78405a78606a68707a68808a68a09a58b0aa58d0ba58e0ca48f0da4910ea3920fa39410a29511a19613a19814a099159f9a169f9c179e9d189d9e199da01a9ca11b9ba21d9aa31e9aa51f99a62098a72197a82296aa2395ab2494ac2694ad2793ae2892b02991b12a90b22b8fb32c8eb42e8db52f8cb6308bb7318ab83289ba3388bb3488bc3587bd3786be3885bf3984c03a83c13b82c23c81c33d80c43e7fc5407ec6417dc7427cc8437bc9447aca457acb4679cc4778cc4977cd4a76ce4b75cf4c74d04d73d14e72d24f71d35171d45270d5536fd5546ed6556dd7566cd8576bd9586ada5a6ada5b69db5c68dc5d67dd5e66de5f65de6164df6263e06363e16462e26561e26660e3685fe4695ee56a5de56b5de66c5ce76e5be76f5ae87059e97158e97257ea7457eb7556eb7655ec7754ed7953ed7a52ee7b51ef7c51ef7e50f07f4ff0804ef1814df1834cf2844bf3854bf3874af48849f48948f58b47f58c46f68d45f68f44f79044f79143f79342f89441f89540f9973ff9983ef99a3efa9b3dfa9c3cfa9e3bfb9f3afba139fba238fca338fca537fca636fca835fca934fdab33fdac33fdae32fdaf31fdb130fdb22ffdb42ffdb52efeb72dfeb82cfeba2cfebb2bfebd2afebe2afec029fdc229fdc328fdc527fdc627fdc827fdca26fdcb26fccd25fcce25fcd025fcd225fbd324fbd524fbd724fad824fada24f9dc24f9dd25f8df25f8e125f7e225f7e425f6e626f6e826f5e926f5eb27f4ed27f3ee27f3f027f2f227f1f426f1f525f0f724f0f921"));
// src/tiles.tsx
var jn = (e, t = 1) => t === 3 ? "none" : e === "depth" ? "turbo" : e === "saliency" ? "mask" : "viridis", Mn = /* @__PURE__ */ new Map();
function Nn(e) {
	let t = Mn.get(e);
	if (t) return t;
	let n = /* @__PURE__ */ new Uint8ClampedArray(768);
	for (let t = 0; t < 256; t++) {
		let r = t > 127 ? 255 : t * .7, i = e === "mask" ? [
			r,
			r,
			r
		] : Pn((e === "turbo" ? On : An)(t / 255));
		n.set(i, t * 3);
	}
	return Mn.set(e, n), n;
}
function Pn(e) {
	return e.startsWith("#") ? [
		1,
		3,
		5
	].map((t) => parseInt(e.slice(t, t + 2), 16)) : (e.match(/[\d.]+/g) ?? []).slice(0, 3).map(Number);
}
var Fn = /* @__PURE__ */ new Map(), In = /* @__PURE__ */ new Map();
function Ln(e) {
	let t = Fn.get(e);
	if (!t) {
		let n = new Image();
		n.src = e, t = n.decode().then(() => (In.set(e, n), n)), t.catch(() => Fn.delete(e)), Fn.set(e, t);
	}
	return t;
}
var Rn = .02;
function zn(e) {
	let t = Array(256).fill(0);
	for (let n = 0; n < e.length; n += 4) t[e[n]]++;
	let n = e.length / 4 * Rn, r = (e) => {
		let r = 0;
		return e.find((e) => (r += t[e]) > n) ?? e.at(-1);
	}, i = r([...t.keys()]), a = r([...t.keys()].reverse());
	return i < a ? [i, a] : [0, 255];
}
function Bn(e, t) {
	let n = document.createElement("canvas");
	n.width = t.width, n.height = t.height;
	let r = n.getContext("2d", { willReadFrequently: !0 });
	return r.drawImage(e, t.left, t.top, t.width, t.height, 0, 0, t.width, t.height), r.getImageData(0, 0, t.width, t.height);
}
function Vn(e, t, n, r, i) {
	let a = Bn(t, n);
	if (r !== "none") {
		let e = Nn(r), [n, o] = i ? zn(Bn(t, i).data) : [0, 255];
		for (let t = 0; t < a.data.length; t += 4) {
			let r = Math.min(Math.max(Math.round((a.data[t] - n) / (o - n) * 255), 0), 255) * 3;
			a.data.set(e.subarray(r, r + 3), t);
		}
	}
	e.width = n.width, e.height = n.height, e.getContext("2d").putImageData(a, 0, 0), e.dataset.ready = "true";
}
function Hn(e) {
	e.getContext("2d")?.clearRect(0, 0, e.width, e.height), delete e.dataset.ready;
}
function Un(e) {
	let t = Te(null), [n, r] = L(""), { tile: i, colours: a, span: o } = e, s = Ze().locate(i.sheet);
	we(() => {
		let n = !0, c = (r) => {
			n && t.current && (Vn(t.current, r, i, a, o), e.onSettled?.());
		}, l = In.get(s);
		return r(""), l ? c(l) : (t.current && Hn(t.current), Ln(s).then(c, () => {
			n && (r(i.sheet), e.onSettled?.());
		})), () => {
			n = !1;
		};
	}, [
		i.sheet,
		i.left,
		i.top,
		a,
		o?.left,
		o?.top
	]);
	let c = n === i.sheet;
	return /* @__PURE__ */ R("span", {
		class: "tile-place",
		children: [/* @__PURE__ */ R("canvas", {
			ref: t,
			class: "tile",
			role: "img",
			"aria-label": c ? `${e.label}: could not be loaded` : e.label
		}), c && /* @__PURE__ */ R("span", {
			class: "missing",
			children: "could not be loaded"
		})]
	});
}
// src/explorer.tsx
function Wn(e, t, n, r, i) {
	let a = 0;
	for (let [o, s, c] of e.grids) {
		if (o === r) return {
			sheet: t + e.maps[n].probe,
			left: i * c,
			top: a,
			width: c,
			height: s
		};
		a += s;
	}
	throw Error(`No maps of layer ${r}.`);
}
function Gn({ run: e, prompts: t, options: n }) {
	let { change: r } = Ze(), i = t.filter((e) => e.has_maps), a = e.summary.steps, o = i.find((e) => String(e.index) === n.prompt) ?? i[0], s = Je(n.step, a), c = e.layers.find((e) => e.name === n.layer)?.name ?? "", l = o ? `data/maps/${ze(o.index)}/` : "", { found: u, failed: d } = tt(o ? `${l}maps.json` : null);
	return o ? /* @__PURE__ */ R(b, { children: [
		/* @__PURE__ */ R("h1", { children: "Explorer" }),
		/* @__PURE__ */ R(it, {
			choices: i.map(rt),
			chosen: o.index,
			onChoose: (e) => r({ prompt: String(e) })
		}),
		/* @__PURE__ */ R("p", {
			class: "prompt",
			tabIndex: 0,
			dir: "auto",
			children: o.text
		}),
		/* @__PURE__ */ R("div", {
			class: "controls sticky",
			children: [/* @__PURE__ */ R(et, {
				label: `Step ${s} of ${a}`,
				places: a,
				place: s - 1,
				onPlace: (e) => r({ step: String(e + 1) })
			}), /* @__PURE__ */ R("label", { children: ["Layer ", /* @__PURE__ */ R("select", {
				value: c,
				onChange: (e) => r({ layer: e.currentTarget.value }),
				children: [/* @__PURE__ */ R("option", {
					value: "",
					children: "best of each property"
				}), e.layers.map((e) => /* @__PURE__ */ R("option", {
					value: e.name,
					children: e.name
				}, e.name))]
			})] })]
		}),
		d && /* @__PURE__ */ R("p", {
			role: "alert",
			children: d
		}),
		u ? /* @__PURE__ */ R(Kn, {
			run: e,
			prompt: o,
			maps: u,
			folder: l,
			step: s - 1,
			layer: c
		}) : !d && /* @__PURE__ */ R("p", {
			class: "waiting",
			children: "Reading the maps of this picture…"
		})
	] }) : /* @__PURE__ */ R("p", { children: "This site was exported without maps. `underpaint export OUT SITE --prompts 12` draws them." });
}
function Kn(e) {
	let { run: t, prompt: n, maps: r, folder: i, step: a } = e, { locate: o } = Ze(), s = r.pictures.side, c = (e) => ({
		sheet: i + r.pictures.file,
		left: a * s,
		top: e * s,
		width: s,
		height: s
	});
	return /* @__PURE__ */ R("div", {
		class: "grid",
		children: [
			/* @__PURE__ */ R($, {
				title: "noisy picture",
				children: /* @__PURE__ */ R(Un, {
					tile: c(0),
					colours: "none",
					label: `Decoded noisy picture at step ${a + 1}`
				})
			}),
			/* @__PURE__ */ R($, {
				title: "predicted picture",
				children: /* @__PURE__ */ R(Un, {
					tile: c(1),
					colours: "none",
					label: `Predicted clean picture at step ${a + 1}`
				})
			}),
			/* @__PURE__ */ R($, {
				title: "final picture",
				children: /* @__PURE__ */ R("img", {
					class: "tile",
					src: o(Be(n.index)),
					alt: n.text.slice(0, 120)
				})
			}),
			/* @__PURE__ */ R(qn, { maps: r }),
			Object.entries(r.maps).flatMap(([o, s]) => {
				let c = t.summary.properties[o], l = e.layer || c.best_layer, u = jn(o, s.targets), d = Ue[c.metric] ?? c.metric, f = (e, t) => ({
					sheet: i + s.file,
					left: t * s.side,
					top: e * s.side,
					width: s.side,
					height: s.side
				}), p = (e) => He(n.scores[o]?.[e]?.[a], c.sources[e], a + 1);
				return [
					/* @__PURE__ */ R($, {
						title: `${o}: probe at ${l}`,
						note: `${d} ${Ve(r.scores[o]?.[l]?.[a])}`,
						children: /* @__PURE__ */ R(Un, {
							tile: Wn(r, i, o, l, a),
							colours: u,
							label: `${o} read by the probe`
						})
					}),
					/* @__PURE__ */ R($, {
						title: `${o}: noisy picture`,
						note: `${d} ${p("image")}`,
						children: /* @__PURE__ */ R(Un, {
							tile: f(0, a),
							colours: u,
							label: `${o} the labeler sees in the noisy picture`
						})
					}),
					/* @__PURE__ */ R($, {
						title: `${o}: predicted picture`,
						note: `${d} ${p("estimate")}`,
						children: /* @__PURE__ */ R(Un, {
							tile: f(1, a),
							colours: u,
							label: `${o} the labeler sees in the predicted picture`
						})
					}),
					/* @__PURE__ */ R($, {
						title: `${o}: label`,
						note: "of the final picture",
						children: /* @__PURE__ */ R(Un, {
							tile: f(2, 0),
							colours: u,
							label: `${o} of the final picture`
						})
					})
				];
			})
		]
	});
}
function qn({ maps: e }) {
	let t = {
		saliency: ["background", "object"],
		depth: ["far", "near"],
		shading: ["dark", "bright"]
	};
	return /* @__PURE__ */ R("dl", {
		class: "legend",
		children: Object.entries(e.maps).map(([e, { targets: n }]) => /* @__PURE__ */ R("div", { children: [/* @__PURE__ */ R("dt", { children: e }), n === 3 ? /* @__PURE__ */ R("dd", {
			class: "whole",
			children: e === "albedo" ? "the surface's own colour" : "a direction as red, green, blue"
		}) : /* @__PURE__ */ R("dd", { children: [
			/* @__PURE__ */ R("span", { children: t[e]?.[0] ?? "low" }),
			/* @__PURE__ */ R("i", { class: `ramp ${jn(e)}` }),
			/* @__PURE__ */ R("span", { children: t[e]?.[1] ?? "high" })
		] })] }, e))
	});
}
function $(e) {
	return /* @__PURE__ */ R("figure", { children: [/* @__PURE__ */ R("figcaption", { children: [e.title, /* @__PURE__ */ R("span", { children: e.note ?? "" })] }), e.children] });
}
// src/style.css?inline
var Jn = ":root,.widget{color-scheme:light dark;--ground:light-dark(#fbfaf8,#151412);--ink:light-dark(#1d1b19,#f1ede7);--soft:light-dark(#5c5751,#b5aea5);--line:light-dark(#d9d4cc,#3b3732);--accent:light-dark(#a94700,#ff9c5a);--panel:light-dark(#fff,#1f1d1a)}*{box-sizing:border-box}body,.widget{background:var(--ground);color:var(--ink);overflow-wrap:break-word;margin:0;font:17px/1.6 system-ui,sans-serif}a{color:var(--accent)}header{border-bottom:1px solid var(--line);flex-wrap:wrap;align-items:baseline;gap:.3rem 1.5rem;padding:.8rem 1.2rem;display:flex}.name{color:var(--ink);font:600 1.3rem Georgia,serif;text-decoration:none}nav{flex-wrap:wrap;gap:.2rem 1.1rem;display:flex}nav a{color:var(--soft);padding:.2rem 0;text-decoration:none}nav a[aria-current]{color:var(--ink);border-bottom:2px solid var(--accent)}main{max-width:960px;min-height:100vh;margin:0 auto;padding:1.5rem 1.2rem 5rem}.widget{min-height:0;padding:.2rem 1rem 1rem;container-type:inline-size}.widget h1{display:none}h1{margin:1rem 0;font:600 clamp(1.8rem,5vw,2.9rem)/1.15 Georgia,serif}h2{margin:2.5rem 0 .5rem;font:600 1.5rem/1.3 Georgia,serif}.large{font-size:1.2rem}.row,.controls{flex-wrap:wrap;align-items:center;gap:.7rem 1.2rem;padding:0;list-style:none;display:flex}.controls{margin:.8rem 0}.sticky{z-index:2;background:var(--ground);border-bottom:1px solid var(--line);padding:.5rem 0;position:sticky;top:0}.choose{gap:.6rem;margin:.8rem 0;display:grid}.thumbs{overscroll-behavior:contain;background:var(--ground);will-change:transform;grid-template-columns:repeat(auto-fill,72px);gap:4px;max-height:242px;margin:0;padding:4px;list-style:none;display:grid;overflow-y:auto}.thumbs li{contain:strict;width:72px;height:72px}.thumbs button{padding:3px;line-height:0;display:block}.thumbs img{background:var(--line);object-fit:cover;object-position:0 0}.count{color:var(--soft);margin-left:.7rem;font-size:.9rem}.player{font-variant-numeric:tabular-nums;flex-wrap:wrap;align-items:center;gap:.4rem .9rem;display:inline-flex}.player button{min-width:4.2rem}.soft{color:var(--soft);font-size:.92rem}.wide{display:block}.wide select{width:100%}code{background:var(--panel);border:1px solid var(--line);border-radius:4px;padding:.05em .35em;font-size:.88em}img{border-radius:4px;display:block}.chart{overflow:hidden}button,select,input{font:inherit;color:inherit;background:var(--panel);border:1px solid var(--line);border-radius:5px;max-width:100%;padding:.2rem .6rem}input[type=range]{accent-color:var(--accent);vertical-align:middle;padding:0}[aria-pressed=true]{box-shadow:inset 0 0 0 3px var(--accent), inset 0 0 0 4px var(--ground)}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}.thumbs :focus-visible{outline-offset:-3px}.thumbs [aria-pressed=true]{background:var(--accent);box-shadow:none}.prompt{max-height:8rem;font:italic 1.2rem Georgia,serif;overflow-y:auto}.grid{grid-template-columns:repeat(4,minmax(0,1fr));align-items:end;gap:1rem .7rem;margin-top:1rem;display:grid}figure{margin:0}figcaption{color:var(--soft);padding-bottom:.3rem;font-size:.85rem;line-height:1.3}figcaption span{color:var(--ink);font-variant-numeric:tabular-nums;display:block}.legend{align-self:end;margin:0;font-size:.8rem;line-height:1.5}.legend dt{color:var(--soft)}.legend dd{flex-wrap:wrap;align-items:center;gap:.4rem;margin:0 0 .6rem;display:flex}.legend dd.whole{line-height:1.3;display:block}.ramp{border:1px solid var(--line);border-radius:3px;flex:1.5rem;height:.7rem}.ramp.mask{background:linear-gradient(90deg,#000 50%,#fff 50%)}.ramp.turbo{background:linear-gradient(90deg,#23171b,#4a58dd,#2f9df5,#27d7c4,#4df884,#95fb51,#dedd32,#ffa423,#f65f18,#ba2208,#900c00)}.ramp.viridis{background:linear-gradient(90deg,#440154,#482475,#414487,#355f8d,#2a788e,#21918c,#22a884,#44bf70,#7ad151,#bddf26,#fde725)}.unfolding{margin:1.6rem 0}.unfolding figcaption{margin-top:.6rem}.unfolded{gap:3px 4px;display:grid}.unfolded b{grid-column:1/-1;margin-top:.5rem;font-size:.9rem;font-weight:600}.unfolded .tile{animation:.5s appear}@keyframes appear{0%{opacity:0}}@media (prefers-reduced-motion:reduce){.unfolded .tile{animation:none}}.grid.three{grid-template-columns:repeat(3,minmax(0,1fr))}.stack{position:relative}.outline{pointer-events:none;width:100%;height:100%;position:absolute;inset:0}.outline path{fill:none;stroke:#ff8a3d;stroke-width:2.5px;vector-effect:non-scaling-stroke}.strip{gap:2px;min-height:2.5rem;margin:.6rem 0;padding:0;list-style:none;display:grid}.strip li{cursor:pointer;border-bottom:3px solid #0000;padding-bottom:2px}.strip li[aria-current]{border-color:var(--accent)}.strip .tile{image-rendering:auto;border-radius:2px}.scroll{margin:.6rem 0;overflow-x:auto}caption{text-align:left;white-space:nowrap;color:var(--soft);padding:.4rem 0;font-size:.92rem}.hits td,.hits thead th+th{text-align:center;min-width:1.7rem;color:var(--soft);padding:.1rem .35rem}.hits .now{background:color-mix(in srgb, var(--accent) 14%, transparent)}.tile-place{display:block;position:relative}.missing{text-align:center;color:var(--ink);background:var(--panel);border:1px dashed var(--soft);border-radius:4px;place-items:center;font-size:.8rem;display:grid;position:absolute;inset:0}.waiting{min-height:60vh}.one{border-bottom:1px solid var(--line);grid-template-columns:minmax(0,256px) minmax(0,1fr);gap:1rem;padding:1rem 0;display:grid}.one img{max-width:100%;height:auto}.skip{z-index:9;position:absolute;top:.3rem;left:-999px}.skip:focus{left:.5rem}main:focus{outline:none}footer{border-top:1px solid var(--line);max-width:960px;color:var(--soft);margin:0 auto;padding:1rem 1.2rem 2rem;font-size:.9rem}footer pre{font-size:.8rem;overflow-x:auto}.tile{aspect-ratio:1;width:100%;image-rendering:pixelated;background:var(--line);border-radius:4px;display:block}.network{grid-auto-columns:minmax(max-content,1fr);grid-auto-flow:column;align-items:start;gap:2px;padding:5px;display:grid;overflow-x:auto}.network button{white-space:nowrap;text-align:center;cursor:pointer;border:0;padding:.35rem .12rem;font-size:.7rem;line-height:1.35;display:grid}.cards{grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:1rem;padding:0;list-style:none;display:grid}.cards li{content-visibility:auto;contain-intrinsic-size:auto 150px auto 260px}.cards img{background:var(--line)}.cards .soft{font-size:.8rem;line-height:1.35;display:block}.cards p{color:var(--soft);margin:0;font-size:.85rem;line-height:1.35}table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}td,th{overflow-wrap:normal}td.whole{white-space:nowrap}.anything{overflow-wrap:anywhere}.cards p,li{overflow-wrap:break-word;min-width:0}td,th{text-align:left;border-bottom:1px solid var(--line);vertical-align:top;padding:.25rem .8rem .25rem 0}@media (width<=560px){.grid,.grid.three{grid-template-columns:repeat(2,minmax(0,1fr))}.strip{grid-template-columns:repeat(5,minmax(0,1fr))!important}header{gap:0 1rem;padding:.6rem 1rem}td.sees{min-width:13rem}.one{grid-template-columns:minmax(0,1fr)}}@container (width<=560px){.grid{grid-template-columns:repeat(2,minmax(0,1fr))}}.touch{margin:1.2rem 0}.touch .said{color:var(--ink);min-height:4.8em;margin-top:.6rem;font-size:1.05rem}.touch .player{flex:20rem}.touch .player label{white-space:nowrap;flex:1;align-items:center;gap:.8rem;display:flex}.touch .player input{flex:1;min-width:6rem;height:2rem}.guessing{grid-template-columns:minmax(0,320px) minmax(0,1fr);align-items:start;gap:1.2rem;display:grid}.guess .board{cursor:crosshair;aspect-ratio:1;border-radius:6px;position:relative;overflow:hidden}.mark{border:4px solid #fff;border-radius:50%;width:22px;height:22px;margin:-11px 0 0 -11px;position:absolute;box-shadow:0 0 0 2px #000}.mark.you{border-color:#ffd400}.mark.probe{border-color:#ff8a3d}.mark.estimate{border-color:#2fd0a4}.marks{padding:0;list-style:none}.marks li:before{content:\"\";background:#ffd400;border:1px solid #000;border-radius:50%;width:.8em;height:.8em;margin-right:.5em;display:inline-block}.marks .probe:before{background:#ff8a3d}.marks .estimate:before{background:#2fd0a4}.cards-of-story{grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:1rem;margin-top:2.5rem;display:grid}.keys{margin:0;font-size:.92rem}.key{vertical-align:middle;border-radius:2px;width:1.4em;height:.3em;margin-right:.4em;display:inline-block}.leads{width:100%}.card{background:var(--panel);border:1px solid var(--line);border-radius:8px;padding:.4rem 1.1rem .9rem;font-size:.97rem}.card:last-child{grid-column:1/-1}.card ul{margin:.4rem 0;padding-left:1.1rem}h3{margin:.7rem 0 .3rem;font:600 1.15rem/1.3 Georgia,serif}.term{border:0;border-bottom:2px dotted var(--accent);cursor:help;background:0 0;border-radius:0;padding:0;display:inline}.meaning{border:1px solid var(--line);background:var(--panel);max-width:22rem;color:var(--ink);border-radius:8px;padding:.7rem 1rem;font:1rem/1.5 system-ui,sans-serif}.found{border-top:1px solid var(--line);padding:.6rem 0}.glossary dt{font-weight:600}.glossary dd{margin:0 0 .5rem}@media (width<=560px){.guessing{grid-template-columns:minmax(0,1fr)}.touch .grid.three{grid-template-columns:repeat(3,minmax(0,1fr));gap:.3rem}}", Yn = 32768;
function Xn(e) {
	let t = new Uint8Array(e.buffer, e.byteOffset, e.byteLength), n = "";
	for (let e = 0; e < t.length; e += Yn) n += String.fromCharCode(...t.subarray(e, e + Yn));
	return `data:image/webp;base64,${btoa(n)}`;
}
function Zn(e) {
	let t = e.get("files"), n = /* @__PURE__ */ new Map(), r = (e) => {
		let n = t[e];
		if (!n) throw Error(`${e} is not in this widget. Make it again.`);
		return n;
	}, i = (e) => JSON.parse(new TextDecoder().decode(r(e)));
	return {
		json: i,
		read: async (e) => i(e),
		locate: (e) => {
			let i = n.get(e) ?? (t[e] ? Xn(r(e)) : e);
			return n.set(e, i), i;
		},
		change: (t) => {
			e.set("options", {
				...e.get("options"),
				...t
			}), e.save_changes();
		}
	};
}
function Qn({ body: e, documentElement: t }) {
	let n = e.dataset.jpThemeLight;
	return n ? n === "true" ? "light" : "dark" : /\bvscode-(dark|high-contrast)\b/.test(e.className) ? "dark" : e.classList.contains("vscode-light") ? "light" : t.getAttribute("theme") ?? "light dark";
}
function $n({ model: e, around: t }) {
	let [n, r] = L(e.get("options")), [i] = L(() => t.json("data/run.json")), [a] = L(() => t.json("data/prompts.json"));
	return we(() => {
		Ge(i.sources);
		let t = () => r({ ...e.get("options") });
		return e.on("change:options", t), () => e.off("change:options", t);
	}, []), /* @__PURE__ */ R(Xe.Provider, {
		value: t,
		children: /* @__PURE__ */ R(Gn, {
			run: i,
			prompts: a,
			options: n
		})
	});
}
function er({ model: e, el: t }) {
	let n = t.attachShadow({ mode: "open" }), r = document.createElement("style");
	r.textContent = Jn;
	let i = document.createElement("main");
	i.className = "widget explorer";
	let a = () => void (i.style.colorScheme = Qn(document)), o = new MutationObserver(a);
	for (let e of [document.documentElement, document.body]) o.observe(e, { attributeFilter: [
		"class",
		"theme",
		"data-jp-theme-light"
	] });
	return a(), n.append(r, i), N(/* @__PURE__ */ R($n, {
		model: e,
		around: Zn(e)
	}), i), () => {
		o.disconnect(), N(null, i);
	};
}
var tr = { render: er };
export { Xn as addressOf, tr as default, Zn as surroundings };
