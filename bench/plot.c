/* SPDX-License-Identifier: MIT */
/*
 * plot.c - the results as SVG files.
 *
 *	sizes.svg	cost against the size, a panel for each workload
 *	ratio.svg	ours against the best peer and the limit, a row for each workload
 *	threads.svg	cost against the number of threads
 *	objects.svg	cost against the number of live objects
 */
#include "plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define PANEL_WIDTH 420.0
#define PANEL_HEIGHT 260.0
#define MARGIN_LEFT 56.0
#define MARGIN_RIGHT 100.0
#define MARGIN_TOP 34.0
#define MARGIN_BOTTOM 34.0
#define COLUMNS 2

static FILE *svg_open(const char *dir, const char *name, double width, double height)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		return NULL;
	}
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		"viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"11\">\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
		width, height, width, height);
	return f;
}

static int svg_close(FILE *f, const char *dir, const char *name)
{
	int bad;

	fprintf(f, "</svg>\n");
	bad = ferror(f);
	if (fclose(f) || bad) {
		fprintf(stderr, "driver: could not write %s/%s\n", dir, name);
		return -1;
	}
	printf("wrote %s/%s\n", dir, name);
	return 0;
}

static void svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *stroke)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1,
		y1, x2, y2, stroke);
}

static void svg_text(FILE *f, double x, double y, const char *anchor, const char *fill,
		     const char *text)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" fill=\"%s\">%s</text>\n", x, y,
		anchor, fill, text);
}

static void svg_dot(FILE *f, double x, double y, const char *fill, const char *title)
{
	fprintf(f,
		"<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\" fill-opacity=\"0.8\">"
		"<title>%s</title></circle>\n",
		x, y, fill, title);
}

/* ------------------------------------------------------------------------
 * A panel: the points of one workload along x, ns on a logarithmic y
 */

struct panel {
	FILE *f;
	const struct results *r;
	size_t first, last; /* points */
	double x, y; /* upper left corner */
	double least, most; /* of the axis */
};

static double panel_x(const struct panel *p, size_t point)
{
	double width = PANEL_WIDTH - MARGIN_LEFT - MARGIN_RIGHT;
	double steps = p->last - p->first > 1 ? (double)(p->last - p->first - 1) : 1;

	return p->x + MARGIN_LEFT + width * (double)(point - p->first) / steps;
}

static double panel_y(const struct panel *p, double ns)
{
	double height = PANEL_HEIGHT - MARGIN_TOP - MARGIN_BOTTOM;

	return p->y + MARGIN_TOP + height * log(p->most / ns) / log(p->most / p->least);
}

/* Widen the axis to 1, 2 or 5 times a power of ten. */
static double round_to(double value, bool up)
{
	static const double steps[] = { 1, 2, 5, 10 };
	double power = pow(10, floor(log10(value)));
	double found = power;

	for (size_t i = 0; i < 4; i++) {
		if (up && steps[i] * power >= value * 0.9999)
			return steps[i] * power;
		if (!up && steps[i] * power <= value * 1.0001)
			found = steps[i] * power;
	}
	return found;
}

static bool panel_range(struct panel *p)
{
	bool any = false;

	for (size_t point = p->first; point < p->last; point++) {
		for (size_t i = 0; i < p->r->plan->nsubjects; i++) {
			struct figure f;

			if (!figure_of(p->r, point, i, &f))
				continue;
			if (!any || f.value < p->least)
				p->least = f.value;
			if (!any || f.value > p->most)
				p->most = f.value;
			any = true;
		}
	}
	if (any) {
		p->least = round_to(p->least, false);
		p->most = round_to(p->most, true);
		if (p->most <= p->least)
			p->most = p->least * 10;
	}
	return any;
}

static void panel_axes(const struct panel *p)
{
	const struct workload *w = p->r->plan->points[p->first].workload;
	double left = p->x + MARGIN_LEFT, right = p->x + PANEL_WIDTH - MARGIN_RIGHT;
	char text[64];

	fprintf(p->f,
		"<text x=\"%.1f\" y=\"%.1f\" font-size=\"12\" font-weight=\"bold\">%s</text>\n",
		p->x + 8, p->y + 14, w->text);
	svg_text(p->f, p->x + 8, p->y + 27, "start", "#555555", w->unit);
	for (double tick = p->least; tick <= p->most * 1.001; tick = round_to(tick * 1.5, true)) {
		double y = panel_y(p, tick);

		svg_line(p->f, left, y, right, y, "#dddddd");
		snprintf(text, sizeof(text), "%g", tick);
		svg_text(p->f, left - 6, y + 4, "end", "#333333", text);
	}
	for (size_t point = p->first; point < p->last; point++) {
		char label[32];

		svg_text(p->f, panel_x(p, point), p->y + PANEL_HEIGHT - MARGIN_BOTTOM + 16,
			 "middle", "#333333",
			 point_label(&p->r->plan->points[point], label, sizeof(label)));
	}
}

static void panel_line(const struct panel *p, size_t subject)
{
	bool wide = p->r->plan->subjects[subject].kind == OURS;
	bool first = true;

	for (size_t point = p->first; point < p->last; point++) {
		struct figure f;

		if (!figure_of(p->r, point, subject, &f))
			continue;
		if (first)
			fprintf(p->f,
				"<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"%s\"%s "
				"points=\"",
				p->r->plan->subjects[subject].colour, wide ? "2.5" : "1.2",
				p->r->plan->subjects[subject].kind == LIMIT
					? " stroke-dasharray=\"4 3\""
					: "");
		first = false;
		fprintf(p->f, "%.1f,%.1f ", panel_x(p, point), panel_y(p, f.value));
	}
	if (!first)
		fprintf(p->f, "\"/>\n");
}

static void panel_dots(const struct panel *p, size_t subject)
{
	for (size_t point = p->first; point < p->last; point++) {
		struct figure f;
		char title[96];

		if (!figure_of(p->r, point, subject, &f))
			continue;
		snprintf(title, sizeof(title), "%s %.2f (%.2f..%.2f)",
			 p->r->plan->subjects[subject].name, f.value, f.least, f.most);
		svg_dot(p->f, panel_x(p, point), panel_y(p, f.value),
			p->r->plan->subjects[subject].colour, title);
	}
}

/* The lines of ours, or of the others. */
static void panel_lines(const struct panel *p, bool of_ours)
{
	for (size_t i = 0; i < p->r->plan->nsubjects; i++) {
		if ((p->r->plan->subjects[i].kind == OURS) != of_ours)
			continue;
		panel_line(p, i);
		panel_dots(p, i);
	}
}

static void panel_draw(struct panel *p)
{
	double x = p->x + PANEL_WIDTH - MARGIN_RIGHT + 12, y = p->y + MARGIN_TOP + 8;

	if (!panel_range(p))
		return;
	panel_axes(p);
	panel_lines(p, false);
	panel_lines(p, true);
	for (size_t i = 0; i < p->r->plan->nsubjects; i++)
		svg_text(p->f, x, y + 15 * (double)i, "start", p->r->plan->subjects[i].colour,
			 p->r->plan->subjects[i].name);
}

static size_t panel_end(const struct plan *plan, size_t first)
{
	size_t last = first;

	while (last < plan->npoints && plan->points[last].workload == plan->points[first].workload)
		last++;
	return last;
}

/* One file with a panel for each workload whose points differ in that. */
static int plot_panels(const struct results *r, const char *axis, const char *name)
{
	const struct plan *plan = r->plan;
	const char *dir = plan->options.plot;
	size_t panels = 0, done = 0, last;
	FILE *f;

	for (size_t first = 0; first < plan->npoints; first = panel_end(plan, first))
		panels += plan->points[first].workload->axis &&
			  !strcmp(plan->points[first].workload->axis, axis);
	if (!panels)
		return 0;
	f = svg_open(dir, name, PANEL_WIDTH * (panels > 1 ? COLUMNS : 1),
		     PANEL_HEIGHT * (double)((panels + COLUMNS - 1) / COLUMNS));
	if (!f)
		return -1;
	for (size_t first = 0; first < plan->npoints; first = last) {
		struct panel p = { .f = f, .r = r, .first = first };

		p.last = last = panel_end(plan, first);
		if (!plan->points[first].workload->axis ||
		    strcmp(plan->points[first].workload->axis, axis))
			continue;
		p.x = PANEL_WIDTH * (double)(done % COLUMNS);
		p.y = PANEL_HEIGHT * (double)(done / COLUMNS);
		panel_draw(&p);
		done++;
	}
	return svg_close(f, dir, name);
}

/* ------------------------------------------------------------------------
 * Ratios: a row for each workload, a dot for each point
 */

#define ROW_HEIGHT 26.0
#define RATIO_LEFT 110.0
#define RATIO_WIDTH 560.0
#define RATIO_LEAST 0.1
#define RATIO_MOST 10.0

static double ratio_x(double ratio)
{
	double bounded = ratio < RATIO_LEAST  ? RATIO_LEAST
			 : ratio > RATIO_MOST ? RATIO_MOST
					      : ratio;

	return RATIO_LEFT +
	       RATIO_WIDTH * log(bounded / RATIO_LEAST) / log(RATIO_MOST / RATIO_LEAST);
}

static bool in_ratios(const struct subject *s)
{
	return s->kind == OURS || s->kind == LIMIT;
}

static void ratio_dots(FILE *f, const struct results *r, size_t first, size_t last, double y)
{
	for (size_t point = first; point < last; point++) {
		int best = best_of(r, point, PEER);

		for (size_t i = 0; best >= 0 && i < r->plan->nsubjects; i++) {
			struct figure a, b;
			char label[32], title[128];

			if (!in_ratios(&r->plan->subjects[i]) || !figure_of(r, point, i, &a) ||
			    !figure_of(r, point, (size_t)best, &b))
				continue;
			snprintf(title, sizeof(title), "%s %s: %.2f of %s",
				 r->plan->subjects[i].name,
				 point_label(&r->plan->points[point], label, sizeof(label)),
				 a.value / b.value, r->plan->subjects[best].name);
			svg_dot(f, ratio_x(a.value / b.value), y - 5 + 5 * (double)(i % 3),
				r->plan->subjects[i].colour, title);
		}
	}
}

static void ratio_axis(FILE *f, double height)
{
	static const double ticks[] = { 0.1, 0.2, 0.5, 1, 2, 5, 10 };

	for (size_t i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
		char text[32];

		svg_line(f, ratio_x(ticks[i]), 44, ratio_x(ticks[i]), height - 10,
			 ticks[i] == 1.0 ? "#000000" : "#dddddd");
		snprintf(text, sizeof(text), "%g", ticks[i]);
		svg_text(f, ratio_x(ticks[i]), 40, "middle", "#333333", text);
	}
}

static int plot_ratios(const struct results *r)
{
	const struct plan *plan = r->plan;
	const char *dir = plan->options.plot;
	double height = 60, y = 60, x = RATIO_LEFT;
	size_t last;
	FILE *f;

	for (size_t first = 0; first < plan->npoints; first = panel_end(plan, first))
		height += ROW_HEIGHT;
	f = svg_open(dir, "ratio.svg", RATIO_LEFT + RATIO_WIDTH + 30, height);
	if (!f)
		return -1;
	fprintf(f,
		"<text x=\"8\" y=\"16\" font-size=\"12\" font-weight=\"bold\">Cost as a ratio to "
		"the best thread-safe peer; left of 1 is ahead of it</text>\n");
	for (size_t i = 0; i < plan->nsubjects; i++) {
		if (!in_ratios(&plan->subjects[i]))
			continue;
		svg_text(f, x, 29, "start", plan->subjects[i].colour, plan->subjects[i].name);
		x += 80;
	}
	ratio_axis(f, height);
	for (size_t first = 0; first < plan->npoints; first = last, y += ROW_HEIGHT) {
		last = panel_end(plan, first);
		svg_text(f, RATIO_LEFT - 12, y + 4, "end", "#000000",
			 plan->points[first].workload->name);
		ratio_dots(f, r, first, last, y);
	}
	return svg_close(f, dir, "ratio.svg");
}

int plot_all(const struct results *r)
{
	const char *dir = r->plan->options.plot;

	if (mkdir(dir, 0777) && errno != EEXIST) {
		perror(dir);
		return -1;
	}
	return plot_ratios(r) || plot_panels(r, "size", "sizes.svg") ||
			       plot_panels(r, "threads", "threads.svg") ||
			       plot_panels(r, "n", "objects.svg")
		       ? -1
		       : 0;
}
