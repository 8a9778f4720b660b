"use strict";
// Draws every figure of the page; the ink follows the page, light or dark.
{
  const figures = JSON.parse(document.getElementById("figure-data").textContent);
  const plots = [...document.querySelectorAll(".plot")];
  const config = {
    displaylogo: false,
    responsive: true,
    modeBarButtonsToRemove: ["sendChartToCloud"],
    toImageButtonOptions: { format: "svg" },
  };
  const ink = () => getComputedStyle(document.body).color;

  const draw = (plot, i) => {
    const { data, layout } = figures[i];
    return Plotly.newPlot(plot, data, { ...layout, font: { ...layout.font, color: ink() } }, config);
  };

  Promise.all(plots.map(draw)).then(() => {
    document.body.dataset.drawn = String(plots.length);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const plot of plots) Plotly.relayout(plot, { "font.color": ink() });
  });
}
