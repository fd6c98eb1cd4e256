/* SPDX-License-Identifier: Apache-2.0 */
/* Plots of the report's page: SVG that stands in the HTML, coloured by the page's style, each with a title and a description; the
 * numbers themselves stand in the table beside it. */
#ifndef CTL_REPORTPLOT_H
#define CTL_REPORTPLOT_H

#include "ctl/report.h"

/* Columns over time: let through, refused on top. */
void ctl_plot_times(FILE *to, const ctl_bar_t *bars, size_t count, unsigned step_hours);
/* A bar a row, the ten longest. put_text writes a name so that it means nothing to HTML. */
void ctl_plot_rows(FILE *to, const ctl_page_t *page, const ctl_by_row_t *by, void (*put_text)(FILE *to, mcpa_str_t text));

#endif
